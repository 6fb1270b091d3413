// Package v3 holds the projectcalico.org/v3 kinds that the host firewall reads from an API server: Calico's manifests are accepted as they are.
//
// It owns the shape of the objects and what a schema can refuse. It refuses meaning: package firewall/calico decodes the same manifests strictly, and what no schema can
// say (the grammar of a selector, a range of ports that is upside down) is refused there and reported on the objects that it concerns. What only a Kubernetes data plane can
// do (services, service accounts, HTTP matches) is refused here by name: a field that the schema does not know would be dropped without a word by a client that
// does not ask for strict validation, and a rule without one of its criteria allows more than was written.
//
// The status of a HostEndpoint is Ingot's own; Calico's has none. The definitions are installed only where a cluster does not serve the group already.
//
// Protocols and ports are numbers or strings, whose bounds and pattern no marker can say: tools/generatecrds adds them.
//
// Sources: the published reference of Calico's resources, and projectcalico/calico api/pkg/apis/projectcalico/v3 for names and bounds.
//
// +kubebuilder:object:generate=true
// +groupName=projectcalico.org
package v3
