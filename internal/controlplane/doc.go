// Package controlplane runs the embedded Kubernetes API: etcd on a Unix socket, the generic control plane (no pods, nodes or services) and the controllers that
// make it behave as a cluster does (owner references, namespace deletion, service accounts, aggregated roles, certificate signing), in one process.
//
// It owns a data directory: the store, the CA and the keys, the audit log, the administrator's kubeconfig. It is the only package that imports k8s.io/kubernetes and
// etcd; everything else takes a *rest.Config and therefore works against any cluster.
//
// It refuses what would make it a container platform, anonymous requests, plain HTTP, and a second process on the same data directory. Upstream calls its generic
// control plane a sample; it is pinned to an exact version, and this package is the only one that has to follow it.
//
// Invariants: etcd listens on no TCP port and its socket is inside the data directory (0700); a Secret never reaches the store in plain text; the lock on the data
// directory is held before anything in it is touched; a killed process leaves nothing that the next start cannot go on from.
//
// Tested as a process, by package controlplanetest, since its link alone takes longer than all its tests.
package controlplane
