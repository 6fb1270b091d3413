// Package access is the one table of who may do what: people of the provider, people and services of a project, anybody who logged in, and Ingot's own components.
//
// It owns the table (Lines), the roles, what they compile to as RBAC (Objects), what of a cluster's RBAC is other than compiled (Compare), and the document of it all (Document).
// It refuses components' rights: those stand in the rows of package matrix, and are only shown and judged here. It refuses everything that RBAC cannot say; admission policies
// (config/policy) hold people to the rest.
//
//	provider  admin, editor, viewer         ClusterRoles ingot:provider:*, bound for the whole site
//	tenant    owner, editor, viewer, guest  ClusterRoles ingot:tenant:*, bound by RoleBindings in one project's namespace
//	people    anybody who logged in         ClusterRole ingot:catalog, bound to the group ingot:people and to services
//
// Invariants: of one scope, each role may all that the next one may, so that Kubernetes' escalation check lets an owner give each of them and nothing wider; no rule has a
// wildcard; nobody but who writes Secrets in a project reads one there, and nobody of the provider reads any; the same table gives the same bytes.
package access
