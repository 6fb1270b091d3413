// Package calico owns the projectcalico.org/v3 manifests that Ingot reads: host endpoints, policies, sets, tiers and profiles, as small Go values.
//
// It decodes strictly and validates: an unknown field, a wrong type, a value out of range and a contradiction are each reported with the field's
// path and what to do, all of them in one pass. It refuses what needs a Kubernetes data plane to mean anything (services, service accounts, HTTP
// matches, namespace selectors other than global() in rules), with that reason, instead of ignoring it.
// It resolves nothing: which endpoint a policy applies to is package firewall's business.
//
// The published Calico API module is not imported: its newest verifiable version knows no tiers and no staged policies. The sources of the rules are
// projectcalico/calico api/pkg/apis/projectcalico/v3 and libcalico-go's validator.
//
// Invariants: what Decode returns without an error is valid by itself; Check says whether the objects fit together. Values are never changed later.
package calico
