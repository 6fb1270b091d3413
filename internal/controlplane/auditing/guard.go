package auditing

import (
	"net"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kaudit "k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/ingotmetal/ingot/audit"
)

// Guard puts itself before a handler that is behind authentication and authorization: what the policy says must be recorded before is recorded, or refused with 503.
func (a *Auditor) Guard(handler http.Handler, serializer runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r, need := a.intent(req)
		if need == audit.NeedNothing {
			handler.ServeHTTP(w, req)
			return
		}
		err := a.trail.Append(r, need)
		if err == nil {
			handler.ServeHTTP(w, req)
			return
		}
		a.refused.Add(1)
		a.log.Error("a request is refused since it cannot be recorded", "verb", r.Verb, "err", err)
		refusal := apierrors.NewServiceUnavailable("this is done only once it is recorded, and the audit trail cannot be written: see the API server's log, and make room on its disk")
		gv := schema.GroupVersion{}
		if r.Object != nil {
			gv = schema.GroupVersion{Group: r.Object.Group, Version: r.Object.Version}
		}
		responsewriters.ErrorNegotiated(refusal, serializer, gv, w, req)
	})
}

// intent is the entry that must be written before a request is done, and how.
func (a *Auditor) intent(req *http.Request) (*audit.Request, audit.Need) {
	ctx := req.Context()
	info, ok := request.RequestInfoFrom(ctx)
	if !ok {
		return nil, audit.NeedNothing
	}
	// Who is asked about is who really asked, as in EvaluatePolicyRule, which runs before impersonation.
	ac := kaudit.AuditContextFrom(ctx)
	if !ac.Enabled() {
		return nil, audit.NeedNothing
	}
	real := ac.GetEventUser()
	asked := audit.Asked{User: real.Username, Groups: real.Groups, Verb: info.Verb}
	if info.IsResourceRequest {
		asked.Object = &audit.Object{Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource, Subresource: info.Subresource, Namespace: info.Namespace, Name: info.Name}
	} else {
		asked.Path = info.Path
	}
	need := a.policy.Decide(asked).Need
	if need == audit.NeedNothing {
		return nil, need
	}
	now := a.now()
	r := &audit.Request{
		ID: string(ac.AuditID()), Stage: audit.StageIntent, User: real.Username, Groups: groups(real.Groups), Verb: info.Verb, Object: asked.Object, Path: audit.Text(asked.Path),
		Agent: audit.Text(req.UserAgent()), Received: now.UTC(),
	}
	if ids := real.Extra[credential]; len(ids) > 0 {
		r.Credential = ids[0]
	}
	if u, ok := request.UserFrom(ctx); ok && u.GetName() != real.Username {
		r.ImpersonatedBy, r.User, r.Groups = real.Username, u.GetName(), groups(u.GetGroups())
	}
	if at, ok := request.ReceivedTimestampFrom(ctx); ok {
		r.Received, r.DurationMicros = at.UTC(), now.Sub(at).Microseconds()
	}
	if host, _, err := net.SplitHostPort(req.RemoteAddr); err == nil {
		r.From = host
	}
	r.Bound()
	return r, need
}
