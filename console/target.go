package console

import (
	"fmt"
	"regexp"
	"strings"
)

// Kind is what a console is asked for by.
type Kind string

// The kinds: tenants ask by Machine or HostClaim, the provider's people by host.
const (
	MachineKind Kind = "machine"
	ClaimKind   Kind = "claim"
	HostKind    Kind = "host"
)

// Resource is the kind's plural in the API, Group its group.
func (k Kind) Resource() string {
	return map[Kind]string{MachineKind: "machines", ClaimKind: "hostclaims", HostKind: "baremetalhosts"}[k]
}

// Group is the kind's API group.
func (k Kind) Group() string {
	if k == MachineKind {
		return "ingot.dev"
	}
	return "metal3.io"
}

// Target is whose console is asked for.
type Target struct {
	Kind      Kind   `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (t Target) String() string { return fmt.Sprintf("%s %s/%s", t.Kind, t.Namespace, t.Name) }

// Login is the target as the user name of an SSH login: "machine.NAMESPACE.NAME". A namespace has no dot, so that it can be read back.
func (t Target) Login() string { return string(t.Kind) + "." + t.Namespace + "." + t.Name }

// The names of objects in Kubernetes: DNS labels, and of objects DNS subdomains.
var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`)
)

// ParseTarget reads the three words of a target.
func ParseTarget(kind, namespace, name string) (Target, error) {
	t := Target{Kind(kind), namespace, name}
	switch {
	case t.Kind.Resource() == "":
		return Target{}, fmt.Errorf("%q has no console: ask for a machine, a claim or a host", kind)
	case !label.MatchString(namespace):
		return Target{}, fmt.Errorf("%q is no namespace", namespace)
	case !subdomain.MatchString(name):
		return Target{}, fmt.Errorf("%q is no name of a %s", name, kind)
	}
	return t, nil
}

// ParseLogin reads an SSH login's user name.
func ParseLogin(user string) (Target, error) {
	parts := strings.SplitN(user, ".", 3)
	if len(parts) != 3 { // kind, namespace and name
		return Target{}, fmt.Errorf("login %q: write machine.NAMESPACE.NAME, claim.NAMESPACE.NAME or host.NAMESPACE.NAME", user)
	}
	return ParseTarget(parts[0], parts[1], parts[2])
}
