package claim

import (
	"fmt"
	"regexp"
	"slices"
)

// Tenant is the namespace that a request comes from.
type Tenant struct {
	Namespace string
	Labels    map[string]string
}

// Opening is one HostDeployPolicy: which tenants may have the hosts of its namespace. What is given must all hold; an opening that gives nothing opens to nobody: one
// that was left empty by mistake must not give machines away.
type Opening struct {
	// Host is the namespace of the policy and its hosts, Name the policy's.
	Host, Name string
	// Names of tenants, compared whole.
	Names []string
	// Pattern is an RE2 expression that must match the whole name: "team-a" does not open to "my-team-a2". Metal3's is not anchored.
	Pattern string
	// Labels that the tenant's namespace must have.
	Labels []Label
}

// Label is a label that must be there; with a Value, with that one.
type Label struct{ Name, Value string }

// Opens says whether the opening lets a tenant in; if not, why says which part of it does not.
func (o Opening) Opens(t Tenant) (open bool, why string) {
	if len(o.Names) == 0 && o.Pattern == "" && len(o.Labels) == 0 {
		return false, "names nobody"
	}
	if len(o.Names) > 0 && !slices.Contains(o.Names, t.Namespace) {
		return false, "does not have it among its names"
	}
	if o.Pattern != "" {
		whole, err := Anchored(o.Pattern)
		if err != nil {
			return false, err.Error()
		}
		if !whole.MatchString(t.Namespace) {
			return false, fmt.Sprintf("has the pattern %q, which does not match all of it", o.Pattern)
		}
	}
	for _, l := range o.Labels {
		if have, ok := t.Labels[l.Name]; !ok || l.Value != "" && have != l.Value {
			return false, fmt.Sprintf("wants the label %s=%s on it", l.Name, l.Value)
		}
	}
	return true, ""
}

// Anchored compiles a pattern that matches whole names only. The pattern is compiled alone first: one like "a)|(b" would otherwise leave the parentheses that hold it.
func Anchored(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, fmt.Errorf("has the pattern %q, which is no regular expression: %w", pattern, err)
	}
	whole, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("has the pattern %q, which cannot be anchored: %w", pattern, err)
	}
	return whole, nil
}

// Open says of every namespace with an opening whether a tenant may have its hosts: an empty text where one opens it, else why none does.
func Open(openings []Opening, t Tenant) map[string]string {
	all := map[string]string{}
	for _, o := range openings {
		open, why := o.Opens(t)
		before, seen := all[o.Host]
		switch {
		case open:
			all[o.Host] = ""
		case !seen:
			all[o.Host] = fmt.Sprintf("its HostDeployPolicy %s %s", o.Name, why)
		case before != "":
			all[o.Host] = fmt.Sprintf("%s, and %s %s", before, o.Name, why)
		}
	}
	return all
}
