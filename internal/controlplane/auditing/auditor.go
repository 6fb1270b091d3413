// Package auditing makes entries of the audit trail of requests at the API server.
//
// It owns the way from Kubernetes' audit events to entries, the refusal of what cannot be recorded, and the endpoint that reads the trail. It refuses the policy and redaction (package
// audit) and the files (internal/trail).
//
// It is both of Kubernetes' extension points at once: the policy that says at which level a request is looked at, and the backend that gets its event. A third, a handler behind
// authorization, writes the entry of intent: only what would be done costs a flush, and nobody without rights can bring one about.
//
// Invariants: a request whose rule needs an entry reaches its handler only once that is written; text from a client passes audit.Text or audit.Redact before it is kept; who nobody has
// authenticated cannot fill the trail.
package auditing

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	kaudit "k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/audit"
)

// Writer is the trail.
type Writer interface {
	Append(r *audit.Request, need audit.Need) error
}

// Auditor writes what the policy says.
type Auditor struct {
	policy  audit.Policy
	trail   Writer
	log     *slog.Logger
	unknown limiter
	samples atomic.Uint64
	refused atomic.Uint64
	now     func() time.Time
}

// New makes an auditor. The trail is closed by who opened it.
func New(policy audit.Policy, trail Writer, log *slog.Logger) *Auditor {
	return &Auditor{policy: policy, trail: trail, log: log, now: time.Now}
}

var (
	_ kaudit.Backend             = (*Auditor)(nil)
	_ kaudit.PolicyRuleEvaluator = (*Auditor)(nil)
)

// Run is of kaudit.Backend: the trail runs by itself.
func (a *Auditor) Run(<-chan struct{}) error { return nil }

// Shutdown is of kaudit.Backend: the trail is closed once the server has ended.
func (a *Auditor) Shutdown() {}

func (a *Auditor) String() string { return "ingot" }

var (
	omitted   = []auditinternal.Stage{auditinternal.StageRequestReceived}
	nothing   = kaudit.RequestAuditConfig{Level: auditinternal.LevelNone}
	entryOnly = kaudit.RequestAuditConfig{Level: auditinternal.LevelMetadata, OmitStages: omitted}
	withBody  = kaudit.RequestAuditConfig{Level: auditinternal.LevelRequest, OmitStages: omitted, OmitManagedFields: true}
)

// EvaluatePolicyRule is of kaudit.PolicyRuleEvaluator.
func (a *Auditor) EvaluatePolicyRule(x authorizer.Attributes) kaudit.RequestAuditConfig {
	asked := audit.Asked{Verb: x.GetVerb()}
	if u := x.GetUser(); u != nil {
		asked.User, asked.Groups = u.GetName(), u.GetGroups()
	}
	if x.IsResourceRequest() {
		asked.Object = &audit.Object{Group: x.GetAPIGroup(), Resource: x.GetResource(), Subresource: x.GetSubresource(), Namespace: x.GetNamespace()}
	} else {
		asked.Path = x.GetPath()
	}
	switch a.policy.Decide(asked).Keep {
	case audit.KeepNothing:
		return nothing
	case audit.KeepChange:
		return withBody
	case audit.KeepEntry, audit.KeepFailures:
		return entryOnly
	}
	return entryOnly
}

// ProcessEvents is of kaudit.Sink. What could not be written is counted by the trail.
func (a *Auditor) ProcessEvents(events ...*auditinternal.Event) bool {
	for _, e := range events {
		if r := a.entry(e); r != nil {
			// The trail has counted and told what it could not write, and the answer is out already.
			_ = a.trail.Append(r, audit.NeedNothing)
		}
	}
	return true
}

// entry makes the entry of an event; nil where the policy keeps none.
func (a *Auditor) entry(e *auditinternal.Event) *audit.Request {
	asked := audit.Asked{User: e.User.Username, Groups: e.User.Groups, Verb: e.Verb}
	if o := e.ObjectRef; o != nil {
		asked.Object = &audit.Object{Group: o.APIGroup, Version: o.APIVersion, Resource: o.Resource, Subresource: o.Subresource, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID)}
	} else {
		asked.Path, _, _ = strings.Cut(e.RequestURI, "?")
	}
	rule := a.policy.Decide(asked)
	failed := e.ResponseStatus != nil && refused(e.ResponseStatus.Code) || e.Stage == auditinternal.StagePanic
	switch {
	case rule.Keep == audit.KeepNothing, rule.Keep == audit.KeepFailures && !failed:
		return nil
	case rule.Sample > 1 && !failed && a.samples.Add(1)%uint64(rule.Sample) != 0:
		return nil
	}
	r := &audit.Request{
		ID: string(e.AuditID), Stage: stageOf(e.Stage), Verb: e.Verb, Object: asked.Object, Path: audit.Text(asked.Path), Agent: audit.Text(e.UserAgent),
		Received: e.RequestReceivedTimestamp.UTC(), DurationMicros: e.StageTimestamp.Sub(e.RequestReceivedTimestamp.Time).Microseconds(),
	}
	who(r, e)
	if n := len(e.SourceIPs); n > 0 {
		r.From, r.Forwarded = e.SourceIPs[n-1], e.SourceIPs[:n-1]
	}
	if e.ResponseStatus != nil {
		result(r, *e.ResponseStatus)
	}
	for k, v := range e.Annotations {
		note(r, audit.Text(k), audit.Text(v))
	}
	if e.User.Username == "" {
		dropped, kept := a.unknown.take(a.now())
		if !kept {
			return nil
		}
		if dropped != "" {
			note(r, "ingot.dev/unauthenticated-before", dropped)
		}
	}
	if rule.Keep == audit.KeepChange && e.RequestObject != nil && !audit.Reads(e.Verb) && r.Object != nil {
		r.Change = audit.Redact(*r.Object, asJSON(e.RequestObject.Raw))
	}
	r.Bound()
	return r
}

// refused says whether an answer is worth an entry where only failures are kept. That something is not there, is there already, or has changed meanwhile is everyday work.
func refused(code int32) bool {
	return code >= 400 && code != http.StatusNotFound && code != http.StatusConflict && code != http.StatusGone && code != http.StatusTooManyRequests
}

func note(r *audit.Request, key, value string) {
	if r.Annotations == nil {
		r.Annotations = map[string]string{}
	}
	r.Annotations[key] = value
}

func stageOf(s auditinternal.Stage) audit.Stage {
	switch s {
	case auditinternal.StageResponseStarted:
		return audit.StageStarted
	case auditinternal.StagePanic:
		return audit.StagePanic
	case auditinternal.StageRequestReceived:
		return audit.StageIntent
	case auditinternal.StageResponseComplete:
		return audit.StageDone
	}
	return audit.StageDone
}

// credential is where the API server says which certificate or token it was.
const credential = "authentication.kubernetes.io/credential-id"

func who(r *audit.Request, e *auditinternal.Event) {
	r.User, r.Groups = e.User.Username, groups(e.User.Groups)
	if ids := e.User.Extra[credential]; len(ids) > 0 {
		r.Credential = ids[0]
	}
	if i := e.ImpersonatedUser; i != nil {
		r.ImpersonatedBy = r.User
		r.User, r.Groups = i.Username, groups(i.Groups)
	}
}

// groups leaves out the one that everybody is in.
func groups(all []string) []string {
	kept := make([]string, 0, len(all))
	for _, g := range all {
		if g != "system:authenticated" {
			kept = append(kept, g)
		}
	}
	return kept
}

// told are the reasons whose messages are made of names. Those of others repeat what the client sent.
var told = map[metav1.StatusReason]bool{
	metav1.StatusReasonForbidden: true, metav1.StatusReasonUnauthorized: true, metav1.StatusReasonNotFound: true, metav1.StatusReasonAlreadyExists: true, metav1.StatusReasonConflict: true,
	metav1.StatusReasonGone: true, metav1.StatusReasonExpired: true, metav1.StatusReasonTimeout: true, metav1.StatusReasonServerTimeout: true, metav1.StatusReasonTooManyRequests: true,
	metav1.StatusReasonServiceUnavailable: true, metav1.StatusReasonMethodNotAllowed: true,
}

func result(r *audit.Request, s metav1.Status) {
	r.Code, r.Reason = s.Code, string(s.Reason)
	if s.Code < 400 {
		return
	}
	if told[s.Reason] {
		r.Message = audit.Text(s.Message)
	}
	if s.Details == nil {
		return
	}
	for _, c := range s.Details.Causes {
		if c.Field != "" {
			r.Fields = append(r.Fields, audit.Text(c.Field))
		}
	}
}

// asJSON turns what kubectl applies, which is YAML, into JSON. What is neither stays, and Redact withholds it.
func asJSON(body []byte) []byte {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		return body
	}
	if text, err := yaml.YAMLToJSON(body); err == nil {
		return text
	}
	return body
}
