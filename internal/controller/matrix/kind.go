package matrix

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
)

// kind is a kind of object that matrices are compiled to.
type kind struct {
	name string
	// make gives an empty object, list an empty list of them.
	make func() client.Object
	list func() client.ObjectList
	// shared objects are owned by every matrix that needs them, and are not pruned.
	shared bool
}

// kinds in the order in which they are applied; pruning goes the other way.
func kinds() []kind {
	return []kind{
		{name: "Tier", make: func() client.Object { return &calico.Tier{} }, list: func() client.ObjectList { return &calico.TierList{} }, shared: true},
		{name: "GlobalNetworkSet", make: func() client.Object { return &calico.GlobalNetworkSet{} }, list: func() client.ObjectList { return &calico.GlobalNetworkSetList{} }},
		{name: "GlobalNetworkPolicy", make: func() client.Object { return &calico.GlobalNetworkPolicy{} }, list: func() client.ObjectList { return &calico.GlobalNetworkPolicyList{} }},
		{name: "HostEndpoint", make: func() client.Object { return &calico.HostEndpoint{} }, list: func() client.ObjectList { return &calico.HostEndpointList{} }},
	}
}

func kindOf(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// specOf is an object's spec, for comparison. Every kind here has a field of that name.
func specOf(obj client.Object) any {
	return reflect.ValueOf(obj).Elem().FieldByName("Spec").Interface()
}

// setSpec gives an object another one's spec.
func setSpec(obj, from client.Object) {
	reflect.ValueOf(obj).Elem().FieldByName("Spec").Set(reflect.ValueOf(from).Elem().FieldByName("Spec"))
}

// sameSpec compares meaning: an absent list is an empty one.
func sameSpec(a, b client.Object) bool { return equality.Semantic.DeepEqual(specOf(a), specOf(b)) }

// key names an object within a matrix's.
type key struct{ kind, name string }

func (k key) String() string { return k.kind + "/" + k.name }
