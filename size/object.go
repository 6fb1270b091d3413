package size

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// From reads a Size object. The error says which field has no meaning; the API server refuses such objects too.
func From(o *ingot.Size) (Size, error) {
	s := Size{Name: o.Name}
	for i, c := range o.Spec.Constraints {
		out := Constraint{Type: Type(c.Type), Identifier: c.Identifier, Medium: c.Medium, Count: Any()}
		if !slices.Contains([]Type{Cores, Memory, Disks, GPUs}, out.Type) {
			return Size{}, fmt.Errorf("size %s: spec.constraints[%d].type: %q is not known", o.Name, i, c.Type)
		}
		var err error
		if out.Amount.Min, err = amount(c.Min, 0); err != nil {
			return Size{}, fmt.Errorf("size %s: spec.constraints[%d].min: %w", o.Name, i, err)
		}
		if out.Amount.Max, err = amount(c.Max, Unbounded); err != nil {
			return Size{}, fmt.Errorf("size %s: spec.constraints[%d].max: %w", o.Name, i, err)
		}
		if c.MinCount != nil {
			out.Count.Min = int64(*c.MinCount)
		}
		if c.MaxCount != nil {
			out.Count.Max = int64(*c.MaxCount)
		}
		if out.Amount.Min > out.Amount.Max || out.Count.Min > out.Count.Max {
			return Size{}, fmt.Errorf("size %s: spec.constraints[%d]: a max is below its min, so that no machine is of this size", o.Name, i)
		}
		s.Constraints = append(s.Constraints, out)
	}
	return s, nil
}

// All reads many Size objects. Those without a meaning are left out, each with a problem.
func All(objects []ingot.Size) (sizes []Size, problems []error) {
	for i := range objects {
		s, err := From(&objects[i])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		sizes = append(sizes, s)
	}
	return sizes, problems
}

func amount(q *resource.Quantity, none int64) (int64, error) {
	if q == nil {
		return none, nil
	}
	n, ok := q.AsInt64()
	if !ok || n < 0 {
		return 0, fmt.Errorf("%s is no whole number of at least 0", q)
	}
	return n, nil
}

// Object is a size as an object of the API.
func (s Size) Object() *ingot.Size {
	o := &ingot.Size{TypeMeta: metav1.TypeMeta{APIVersion: ingot.GroupVersion.String(), Kind: "Size"}, ObjectMeta: metav1.ObjectMeta{Name: s.Name}}
	for _, c := range s.Constraints {
		out := ingot.SizeConstraint{Type: ingot.SizeConstraintType(c.Type), Identifier: c.Identifier, Medium: c.Medium, Min: quantity(c.Type, c.Amount.Min)}
		if c.Amount.Max < Unbounded {
			out.Max = quantity(c.Type, c.Amount.Max)
		}
		if c.Type == Disks {
			out.MinCount = ptr.To(int32(min(c.Count.Min, 4096)))
			if c.Count.Max < Unbounded {
				out.MaxCount = ptr.To(int32(min(c.Count.Max, 4096)))
			}
		}
		o.Spec.Constraints = append(o.Spec.Constraints, out)
	}
	return o
}

func quantity(t Type, n int64) *resource.Quantity {
	if t == Memory {
		return resource.NewQuantity(n, resource.BinarySI)
	}
	return resource.NewQuantity(n, resource.DecimalSI)
}
