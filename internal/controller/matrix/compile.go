package matrix

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// ReadingAnnotation on a CommunicationMatrix chooses one of several readings of a contradictory document.
const ReadingAnnotation = "ingot.dev/reading"

// compilation is a matrix with everything that follows from it. It is never changed once it is made.
type compilation struct {
	// from says which objects it was made of, and which generations of them.
	from string
	// refused says why the matrix has no meaning, for the condition Accepted, failed why it could not be compiled; both empty: it is good.
	refused, failed string
	matrix          matrix.Matrix
	findings        []ingot.MatrixFinding
	left            []policy.Left
	objects         map[key]*wanted
}

// good says whether there is something to apply.
func (c *compilation) good() bool { return c != nil && c.refused == "" && c.failed == "" }

// stamp names the state of a matrix's objects. A part's annotations mean nothing.
func stamp(root *ingot.CommunicationMatrix, parts []*ingot.CommunicationMatrix) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s", root.UID, root.Generation, root.Annotations[ReadingAnnotation])
	for _, p := range parts {
		fmt.Fprintf(&b, "\n%s %s %d", p.Name, p.UID, p.Generation)
	}
	return b.String()
}

// compile does all that needs no API server. Mistakes of a matrix's author are values of the compilation.
func compile(root *ingot.CommunicationMatrix, parts []*ingot.CommunicationMatrix) *compilation {
	c := &compilation{from: stamp(root, parts)}
	for _, p := range parts {
		if p.Annotations[ReadingAnnotation] != "" {
			c.refused = fmt.Sprintf("part %s has the annotation %s: it belongs on %s", p.Name, ReadingAnnotation, root.Name)
			return c
		}
	}
	m, err := document.Join(append([]*ingot.CommunicationMatrix{root}, parts...)...)
	if err != nil {
		c.refused = err.Error()
		return c
	}
	if readings := m.Readings(); len(readings) > 0 {
		chosen := root.Annotations[ReadingAnnotation]
		if chosen != "" && !slices.Contains(readings, chosen) {
			c.refused = fmt.Sprintf("metadata.annotations[%s]: there is no reading %q: want one of %s", ReadingAnnotation, chosen, strings.Join(readings, ", "))
			return c
		}
		if chosen != "" {
			m = m.As(chosen)
		}
	}
	c.matrix = m
	if c.findings, c.refused = findings(m); c.refused != "" {
		return c
	}
	compiled, err := policy.Compile(m)
	if err != nil {
		c.failed = err.Error()
		if len(m.Readings()) > 1 {
			c.failed += fmt.Sprintf(": say which one with the annotation %s", ReadingAnnotation)
		}
		return c
	}
	c.left = compiled.Left
	if c.objects, err = objects(root, compiled.Objects); err != nil {
		c.failed = err.Error()
	}
	return c
}

// partsOf finds a matrix's parts, in the order of their names.
func (r *Reconciler) partsOf(ctx context.Context, root *ingot.CommunicationMatrix) ([]*ingot.CommunicationMatrix, error) {
	var list ingot.CommunicationMatrixList
	if err := r.cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the matrices, for the parts of %s: %w", root.Name, err)
	}
	var parts []*ingot.CommunicationMatrix
	for i := range list.Items {
		if p := &list.Items[i]; string(p.Spec.Extends) == root.Name && p.DeletionTimestamp.IsZero() {
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b *ingot.CommunicationMatrix) int { return cmp.Compare(a.Name, b.Name) })
	return parts, nil
}
