// Package install puts everything that Ingot needs into a Kubernetes API, embedded or foreign: kinds, validation, namespaces, the roles' permissions.
//
// It owns the order and the waiting: when Apply returns, a bad host is refused and a role may do its work. It refuses to remove anything, and to touch what an operator
// owns (a Partition that is there already).
//
// Invariants: applying twice changes nothing; every object is applied under one field manager, so that a field that we no longer say goes away.
package install
