package audit

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Filter chooses records. The zero Filter chooses every request; what is set must all hold.
type Filter struct {
	// User is who did it or who is behind it (impersonation), whole, or with * at its end for all that begin so.
	User string
	// Verb is Kubernetes' ("create"). Kind is a plural, with ".group" or "/subresource" where wanted ("baremetalhosts", "roles.rbac.authorization.k8s.io").
	Verb, Kind      string
	Namespace, Name string
	// Since and Until bound the record's time; Until is not included.
	Since, Until time.Time
	// Failed chooses requests that were answered with an error, SecretReads reads of Secrets.
	Failed, SecretReads bool
	// Request chooses the entries of one request.
	Request string
	// After chooses records with a higher number. Seq chooses one record; 0 is none.
	After, Seq uint64
	// Intents chooses entries of intent too, which have a result in another one. All chooses every kind of record.
	Intents, All bool
}

// Match says whether a record is chosen.
func (f Filter) Match(r Record) bool {
	if f.Seq != 0 {
		return r.Seq == f.Seq
	}
	if r.Seq <= f.After || !f.Since.IsZero() && r.Time.Before(f.Since) || !f.Until.IsZero() && !r.Time.Before(f.Until) {
		return false
	}
	if r.Request == nil {
		return f.All && f.anything()
	}
	q := r.Request
	if q.Stage == StageIntent && !f.Intents && !f.All && f.Request == "" {
		return false
	}
	return (f.User == "" || named(f.User, q.User) || q.ImpersonatedBy != "" && named(f.User, q.ImpersonatedBy)) &&
		(f.Verb == "" || f.Verb == q.Verb) && (f.Request == "" || f.Request == q.ID) &&
		(!f.Failed || q.Failed()) && (!f.SecretReads || q.SecretRead()) && f.object(q.Object)
}

// Chooses says whether a line is chosen. One that is not as it was written always is, unless a single record is asked for, so that no filter hides it.
func (f Filter) Chooses(line []byte) bool {
	r, _, err := Parse(line)
	if err != nil {
		return f.Seq == 0
	}
	return f.Match(r)
}

// anything says that nothing was asked that only requests have.
func (f Filter) anything() bool {
	return f.User == "" && f.Verb == "" && f.Kind == "" && f.Namespace == "" && f.Name == "" && f.Request == "" && !f.Failed && !f.SecretReads
}

func named(pattern, name string) bool {
	begin, open := strings.CutSuffix(pattern, "*")
	return pattern == name || open && strings.HasPrefix(name, begin)
}

func (f Filter) object(o *Object) bool {
	if f.Kind == "" && f.Namespace == "" && f.Name == "" {
		return true
	}
	if o == nil || f.Namespace != "" && f.Namespace != o.Namespace || f.Name != "" && f.Name != o.Name {
		return false
	}
	if f.Kind == "" {
		return true
	}
	kind, sub, hasSub := strings.Cut(f.Kind, "/")
	plural, group, hasGroup := strings.Cut(kind, ".")
	return plural == o.Resource && (!hasGroup || group == o.Group) && (!hasSub || sub == o.Subresource)
}

// Values writes a filter as a URL's query; ParseFilter reads it.
func (f Filter) Values() url.Values {
	v := url.Values{}
	set := func(name, s string) {
		if s != "" {
			v.Set(name, s)
		}
	}
	for name, s := range map[string]string{"user": f.User, "verb": f.Verb, "kind": f.Kind, "namespace": f.Namespace, "name": f.Name, "request": f.Request} {
		set(name, s)
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			v.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, is := range map[string]bool{"failed": f.Failed, "secretReads": f.SecretReads, "intents": f.Intents, "all": f.All} {
		if is {
			v.Set(name, "true")
		}
	}
	for name, n := range map[string]uint64{"after": f.After, "seq": f.Seq} {
		if n != 0 {
			v.Set(name, strconv.FormatUint(n, 10))
		}
	}
	return v
}

// ParseFilter reads a query. A name that it does not know is an error, so that a filter is never dropped in silence.
func ParseFilter(v url.Values) (Filter, error) {
	var f Filter
	texts := map[string]*string{"user": &f.User, "verb": &f.Verb, "kind": &f.Kind, "namespace": &f.Namespace, "name": &f.Name, "request": &f.Request}
	times := map[string]*time.Time{"since": &f.Since, "until": &f.Until}
	bools := map[string]*bool{"failed": &f.Failed, "secretReads": &f.SecretReads, "intents": &f.Intents, "all": &f.All}
	numbers := map[string]*uint64{"after": &f.After, "seq": &f.Seq}
	var problems []error
	for name, given := range v {
		var err error
		s := given[0]
		switch {
		case len(given) > 1:
			err = fmt.Errorf("it is given %d times", len(given))
		case texts[name] != nil:
			*texts[name] = s
		case times[name] != nil:
			*times[name], err = time.Parse(time.RFC3339Nano, s)
		case bools[name] != nil:
			*bools[name], err = strconv.ParseBool(s)
		case numbers[name] != nil:
			*numbers[name], err = strconv.ParseUint(s, 10, 64)
		default:
			err = errors.New("no filter has this name")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("filter %s=%q: %w", name, s, err))
		}
	}
	return f, errors.Join(problems...)
}
