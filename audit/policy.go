package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Keep is how much of a request is kept.
type Keep string

// How much is kept.
const (
	// KeepNothing leaves the request out.
	KeepNothing Keep = "Nothing"
	// KeepFailures keeps the entry only when the answer is a refusal or a fault: not where something is not there, is there already, or has changed meanwhile.
	KeepFailures Keep = "Failures"
	// KeepEntry keeps the entry without a body.
	KeepEntry Keep = "Entry"
	// KeepChange keeps the entry and, of a change, the redacted body.
	KeepChange Keep = "Change"
)

// Need is what must have been written before the request is done; else it is refused.
type Need string

// What must have been written.
const (
	// NeedNothing has the request done whether it can be recorded or not. What could not be is counted, and told once it can.
	NeedNothing Need = "Nothing"
	// NeedWritten has an entry handed to the system before: it outlives the process.
	NeedWritten Need = "Written"
	// NeedDurable has an entry on the disk before: it outlives a loss of power.
	NeedDurable Need = "Durable"
)

// Resources are kinds by group and plural, with "plural/subresource", "*" for all, and "*/subresource" for that of all. "*" is no subresource. Without names: the whole group,
// subresources included; the group "*" is every group.
type Resources struct {
	Group     string   `json:"group"`
	Resources []string `json:"resources,omitempty"`
}

// Rule says what is kept of the requests that it means: those that fit all of its lists that are not empty.
type Rule struct {
	// Name is for people.
	Name string `json:"name"`

	Users      []string    `json:"users,omitempty"`
	Groups     []string    `json:"groups,omitempty"`
	Verbs      []string    `json:"verbs,omitempty"`
	Resources  []Resources `json:"resources,omitempty"`
	Namespaces []string    `json:"namespaces,omitempty"`
	// Paths are of requests for no object; one that ends in * means all that begin so.
	Paths []string `json:"paths,omitempty"`

	Keep Keep `json:"keep"`
	// Need is Nothing where it is not said.
	Need Need `json:"need,omitempty"`
	// Sample keeps one of so many successful requests; 0 and 1 keep all. Failures are always kept.
	Sample uint32 `json:"sample,omitempty"`
}

// Retention is how files are cut and how long they are kept.
type Retention struct {
	// FileBytes and FileAge end a file.
	FileBytes int64         `json:"fileBytes,omitempty"`
	FileAge   time.Duration `json:"-"`
	// TotalBytes is what all files together may have; the oldest are removed, and the trail says so. What a sink has not confirmed yet stays up to UnsentBytes.
	TotalBytes  int64 `json:"totalBytes,omitempty"`
	UnsentBytes int64 `json:"unsentBytes,omitempty"`
	// FileHours is FileAge in a policy file.
	FileHours int64 `json:"fileHours,omitempty"`
}

// Policy says which requests are kept, by the first rule that means them; what none means is kept without a body.
type Policy struct {
	Rules     []Rule    `json:"rules"`
	Retention Retention `json:"retention,omitzero"`
}

// Asked is what a request is judged by.
type Asked struct {
	User   string
	Groups []string
	Verb   string
	// Object is nil for a request for none, which has a Path.
	Object *Object
	Path   string
}

// Decide gives the rule that means a request.
func (p Policy) Decide(a Asked) Rule {
	for i := range p.Rules {
		if p.Rules[i].means(a) {
			return p.Rules[i]
		}
	}
	return Rule{Name: "no rule", Keep: KeepEntry, Need: NeedNothing}
}

func (r Rule) means(a Asked) bool {
	if !anyOf(r.Verbs, a.Verb) || !anyOf(r.Users, a.User) {
		return false
	}
	if len(r.Groups) > 0 && !slices.ContainsFunc(a.Groups, func(g string) bool { return slices.Contains(r.Groups, g) }) {
		return false
	}
	if len(r.Paths) > 0 {
		return a.Object == nil && slices.ContainsFunc(r.Paths, func(p string) bool {
			begin, open := strings.CutSuffix(p, "*")
			return p == a.Path || open && strings.HasPrefix(a.Path, begin)
		})
	}
	if len(r.Resources) == 0 && len(r.Namespaces) == 0 {
		return true
	}
	return a.Object != nil && anyOf(r.Namespaces, a.Object.Namespace) &&
		(len(r.Resources) == 0 || slices.ContainsFunc(r.Resources, func(x Resources) bool { return x.mean(*a.Object) }))
}

func anyOf(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }

func (x Resources) mean(o Object) bool {
	if x.Group != "*" && x.Group != o.Group {
		return false
	}
	return len(x.Resources) == 0 || slices.ContainsFunc(x.Resources, func(name string) bool {
		plural, sub, _ := strings.Cut(name, "/")
		return (plural == "*" || plural == o.Resource) && sub == o.Subresource
	})
}

// ParsePolicy reads a policy file, YAML or JSON. Retention that it does not say is the default's.
func ParsePolicy(text []byte) (Policy, error) {
	var p Policy
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return p, fmt.Errorf("read the audit policy: %w", err)
	}
	p.Retention.FileAge = time.Duration(p.Retention.FileHours) * time.Hour
	p.fill()
	return p, p.Check()
}

// fill puts defaults in.
func (p *Policy) fill() {
	for i := range p.Rules {
		if p.Rules[i].Need == "" {
			p.Rules[i].Need = NeedNothing
		}
	}
	p.Retention.fill()
}

// Check says what of a policy has no meaning.
func (p Policy) Check() error {
	var problems []error
	for i, r := range p.Rules {
		for _, problem := range r.problems() {
			problems = append(problems, fmt.Errorf("rules[%d] (%s): %s", i, r.Name, problem))
		}
	}
	problems = append(problems, p.Retention.check())
	return errors.Join(problems...)
}

func (r Rule) problems() []string {
	var all []string
	if r.Name == "" {
		all = append(all, "it has no name: say what it is for")
	}
	if !slices.Contains([]Keep{KeepNothing, KeepFailures, KeepEntry, KeepChange}, r.Keep) {
		all = append(all, fmt.Sprintf("keep is %q: write Nothing, Failures, Entry or Change", r.Keep))
	}
	if !slices.Contains([]Need{NeedNothing, NeedWritten, NeedDurable}, r.Need) {
		all = append(all, fmt.Sprintf("need is %q: write Nothing, Written or Durable", r.Need))
	}
	if r.Need != NeedNothing && (r.Keep == KeepNothing || r.Keep == KeepFailures || r.Sample > 1) {
		all = append(all, "what must be written before cannot be left out: write keep: Entry or Change, and no sample")
	}
	if len(r.Paths) > 0 && (len(r.Resources) > 0 || len(r.Namespaces) > 0) {
		all = append(all, "paths are of requests for no object: write resources and namespaces in a rule of their own")
	}
	if r.Keep == KeepChange {
		for _, x := range r.Resources {
			if _, some := opaque[x.Group]; some && opaqueOnly(x) {
				all = append(all, fmt.Sprintf("the bodies of %s in group %q are credentials and never kept: write keep: Entry", strings.Join(x.Resources, ", "), x.Group))
			}
		}
	}
	return all
}

// opaqueOnly says whether every kind that is meant is opaque.
func opaqueOnly(x Resources) bool {
	if len(x.Resources) == 0 {
		return slices.Contains(opaque[x.Group], "")
	}
	return !slices.ContainsFunc(x.Resources, func(name string) bool {
		plural, sub, _ := strings.Cut(name, "/")
		return !Opaque(Object{Group: x.Group, Resource: plural, Subresource: sub})
	})
}

// The default retention.
const (
	defaultFileBytes  = 64 << 20
	defaultFileAge    = 24 * time.Hour
	defaultTotalBytes = 2 << 30
	leastFileBytes    = 64 << 10
)

func (r *Retention) fill() {
	if r.FileBytes == 0 {
		r.FileBytes = defaultFileBytes
	}
	if r.FileAge == 0 {
		r.FileAge = defaultFileAge
	}
	if r.TotalBytes == 0 {
		r.TotalBytes = max(defaultTotalBytes, 2*r.FileBytes)
	}
	if r.UnsentBytes == 0 {
		r.UnsentBytes = 2 * r.TotalBytes
	}
}

func (r Retention) check() error {
	switch {
	case r.FileBytes < leastFileBytes:
		return fmt.Errorf("retention.fileBytes is %d: at least %d", r.FileBytes, leastFileBytes)
	case r.FileAge < 0:
		return fmt.Errorf("retention.fileHours is %d: write 1 or more", r.FileHours)
	case r.TotalBytes < 2*r.FileBytes:
		return fmt.Errorf("retention.totalBytes is %d: at least twice fileBytes (%d)", r.TotalBytes, r.FileBytes)
	case r.UnsentBytes < r.TotalBytes:
		return fmt.Errorf("retention.unsentBytes is %d: at least totalBytes (%d)", r.UnsentBytes, r.TotalBytes)
	}
	return nil
}
