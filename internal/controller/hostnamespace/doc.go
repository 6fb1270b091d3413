// Package hostnamespace is the controller of where the partition role may read Secrets: in the namespaces that hold hosts, and in no other.
//
// It owns one RoleBinding per such namespace, of the ClusterRole that is compiled from the matrix's rights with the scope HostNamespaces (matrix/identity). A namespace is one of those while it has a
// BareMetalHost, or a DiscoveredHost that an operator accepted and that becomes one. It refuses bindings of the same name that are not its own: an operator who runs no controller role makes them by hand.
//
// A RoleBinding carries a finalizer. A namespace that is deleted loses its objects in any order, and a host in it needs the credentials of its BMC until its machine is cleaned and let go: the API server honours a
// binding that waits to go. It goes when the last host went.
//
// Who counts is an operator's word: the partition role can make hosts where it has the right already and nowhere else, and accept nothing (config/policy/discovery.yaml), so that it cannot bring about a binding. What
// this controller can bind is one role to one group (config/policy/controller-rolebindings.yaml).
//
// Invariants: no binding where no host is or is about to be; none is taken away while a host is there, by what the API server says and not a cache.
package hostnamespace
