package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Stage is when in a request's life the entry was written.
type Stage string

// The stages.
const (
	// StageIntent is before anything is done. It stands only for requests that the policy refuses when it cannot be written; an entry of StageDone with the same ID follows,
	// unless the process died between.
	StageIntent Stage = "intent"
	// StageStarted is the beginning of a watch.
	StageStarted Stage = "started"
	// StageDone is the result.
	StageDone Stage = "done"
	// StagePanic is the end of a request that made the server panic.
	StagePanic Stage = "panic"
)

// Request is one request at the API server.
type Request struct {
	// ID is the Audit-ID of the answer's header. A client may choose it: it ties entries of one request together and proves nothing.
	ID    string `json:"id"`
	Stage Stage  `json:"stage"`
	// User is in whose name it was done, and Groups are that one's.
	User   string   `json:"user"`
	Groups []string `json:"groups,omitempty"`
	// Credential names the certificate or token, never the token itself.
	Credential string `json:"credential,omitempty"`
	// ImpersonatedBy is who really asked, where User is somebody else.
	ImpersonatedBy string `json:"impersonatedBy,omitempty"`

	Verb   string  `json:"verb"`
	Object *Object `json:"object,omitempty"`
	// Path is of a request for no object, without its query.
	Path string `json:"path,omitempty"`

	// From is the address of the connection's other end. Forwarded is what the client said about others before it, and may be anything.
	From      string   `json:"from,omitempty"`
	Forwarded []string `json:"forwarded,omitempty"`
	Agent     string   `json:"agent,omitempty"`

	// Code is HTTP's; 0 for an intent.
	Code    int32  `json:"code,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Fields are those that a refusal names, without their values.
	Fields      []string          `json:"fields,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// DurationMicros is from the request's arrival to this entry.
	DurationMicros int64     `json:"durationMicros,omitempty"`
	Received       time.Time `json:"received"`
	// Change is the body of a change, redacted (Redact).
	Change json.RawMessage `json:"change,omitempty"`
}

// Object is what a request is about. Name is empty for a list, a watch, and a creation whose name the server chose.
type Object struct {
	Group       string `json:"group,omitempty"`
	Version     string `json:"version,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	UID         string `json:"uid,omitempty"`
}

func (o Object) String() string {
	s := o.Resource
	if o.Group != "" {
		s += "." + o.Group
	}
	if o.Subresource != "" {
		s += "/" + o.Subresource
	}
	if o.Namespace != "" || o.Name != "" {
		s += " " + strings.Trim(o.Namespace+"/"+o.Name, "/")
	}
	return s
}

// Failed says whether the answer was an error. An intent is none.
func (r Request) Failed() bool { return r.Code >= 400 || r.Stage == StagePanic }

// Reads says whether a verb changes nothing.
func Reads(verb string) bool {
	return slices.Contains([]string{"get", "list", "watch", "head", "options"}, verb)
}

// SecretRead says whether a request reads Secrets.
func (r Request) SecretRead() bool {
	return r.Object != nil && r.Object.Group == "" && r.Object.Resource == "secrets" && Reads(r.Verb)
}

// The bounds of what a client chooses, so that no client can fill the trail by single requests. Lengths are bytes.
const (
	maxName       = 512
	maxMessage    = 512
	maxGroups     = 32
	maxForwarded  = 8
	maxFields     = 32
	maxAnnotation = 512
	maxNotes      = 32
	// MaxChange is the longest body that is kept; a longer one is replaced by its length.
	MaxChange = 64 << 10
)

// Bound cuts whatever a client can make long.
func (r *Request) Bound() {
	for _, s := range []*string{&r.ID, &r.User, &r.Credential, &r.ImpersonatedBy, &r.Verb, &r.Path, &r.From, &r.Agent, &r.Reason} {
		*s = cut(*s, maxName)
	}
	r.Message = cut(r.Message, maxMessage)
	r.Groups, r.Forwarded, r.Fields = cutAll(r.Groups, maxGroups), cutAll(r.Forwarded, maxForwarded), cutAll(r.Fields, maxFields)
	if o := r.Object; o != nil {
		for _, s := range []*string{&o.Group, &o.Version, &o.Resource, &o.Subresource, &o.Namespace, &o.Name, &o.UID} {
			*s = cut(*s, maxName)
		}
	}
	keys := make([]string, 0, len(r.Annotations))
	for k := range r.Annotations {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	bounded := make(map[string]string, min(len(keys), maxNotes))
	for _, k := range keys[:min(len(keys), maxNotes)] {
		bounded[cut(k, maxName)] = cut(r.Annotations[k], maxAnnotation)
	}
	r.Annotations = bounded
	if len(r.Change) > MaxChange {
		r.Change = withheld("a body of %d bytes: longer than what is kept", len(r.Change))
	}
}

func cutAll(all []string, most int) []string {
	out := make([]string, 0, min(len(all), most))
	for _, s := range all[:min(len(all), most)] {
		out = append(out, cut(s, maxName))
	}
	return out
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
