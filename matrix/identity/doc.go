// Package identity compiles who is called what, and who may do what at the API server, from a matrix's rows: certificate profiles and RBAC objects.
//
// It owns the rules by which a row becomes a profile and a right becomes RBAC, and the three roles for people. It refuses keys and signatures (internal/pki
// has them, and a test here holds its profiles to these) and the cluster (internal/install applies what stands here).
//
// A name is issued only if a row names it: as Identity, and its holder is a client, or as ServerIdentity, and its holder serves. Who has both has one
// certificate for both.
//
// People get one of three ClusterRoles, which are compiled from the kinds that the rows' rights speak of:
//
//	View   ingot:people:view    reads every kind; no Secret
//	Edit   ingot:people:edit    View, and makes, changes and deletes the kinds that no role of ours makes for itself, hosts and finds
//	Admin  ingot:people:admin   everything with every kind, status and finalizers too
//
// They carry the labels by which Kubernetes adds them to its own view, edit and admin. Whoever shows a certificate of the operator may do everything; accounts for daily
// work get one of the three.
//
// Invariants: no rule has a wildcard but the operator's and ingot:people:admin's verbs; the same matrix gives the same bytes.
package identity
