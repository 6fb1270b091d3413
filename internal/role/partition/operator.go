package partition

import (
	"context"

	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// operatorAPI answers people: what is too large or too fleeting for an object of the API. Who may read what is the API server's word: every request is a
// SubjectAccessReview for the verb get on baremetalhosts/console of the host's namespace, in the name of the client certificate or of the bearer token.
type operatorAPI struct {
	live  client.Client
	hosts *host.Reconciler
	logs  *agentLogs
	log   *slog.Logger
}

// operatorTimeout bounds a request: some BMCs give their log out line by line.
const operatorTimeout = 2 * time.Minute

func (o *operatorAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/hosts/{namespace}/{name}/console-log", o.consoleLog)
	return mux
}

func (o *operatorAPI) consoleLog(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), operatorTimeout)
	defer cancel()
	key := types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	if len(validation.IsDNS1123Label(key.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(key.Name)) > 0 {
		http.Error(w, "not a host's name", http.StatusBadRequest)
		return
	}
	who, err := o.authenticate(ctx, r)
	if err != nil {
		o.fail(w, "authenticate an operator", err)
		return
	}
	if who == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "a client certificate or a bearer token is needed", http.StatusUnauthorized)
		return
	}
	allowed, err := o.allowed(ctx, *who, key)
	if err != nil {
		o.fail(w, "authorise an operator", err)
		return
	}
	if !allowed {
		http.Error(w, fmt.Sprintf("%s may not get baremetalhosts/console in namespace %s", who.Username, key.Namespace), http.StatusForbidden)
		return
	}
	o.answer(ctx, w, key, r.URL.Query().Get("source"))
}

// answer writes the log of the asked source; without one, the BMC's where it keeps one, else the agent's.
func (o *operatorAPI) answer(ctx context.Context, w http.ResponseWriter, key types.NamespacedName, source string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch source {
	case "", "bmc":
		text, err := o.hosts.ConsoleLog(ctx, key)
		switch {
		case errors.Is(err, host.ErrNoHost):
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		case errors.Is(err, host.ErrNoConsoleLog) && source == "":
		case errors.Is(err, host.ErrNoConsoleLog):
			http.Error(w, "this host's BMC keeps no console log: ask with source=agent", http.StatusNotFound)
			return
		case err != nil:
			http.Error(w, bmc.FailureOf(err).Message, http.StatusBadGateway)
			return
		default:
			_, _ = w.Write([]byte(text))
			return
		}
	case "agent":
	default:
		http.Error(w, `source is "bmc" or "agent"`, http.StatusBadRequest)
		return
	}
	if err := o.logs.Copy(w, key); err != nil {
		o.log.Warn("agent's log not copied", "machine", key.String(), "err", err)
	}
}

// caller is who asks, as RBAC knows them.
type caller struct {
	Username, UID string
	Groups        []string
	Extra         map[string]authorizationv1.ExtraValue
}

// authenticate gives nil when nobody can be made out. A certificate was verified against our CA in the handshake.
func (o *operatorAPI) authenticate(ctx context.Context, r *http.Request) (*caller, error) {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		s := r.TLS.VerifiedChains[0][0].Subject
		return &caller{Username: s.CommonName, Groups: append([]string{"system:authenticated"}, s.Organization...)}, nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil, nil
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := o.live.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("review a bearer token: %w", err)
	}
	if !review.Status.Authenticated {
		return nil, nil
	}
	u := review.Status.User
	who := &caller{Username: u.Username, UID: u.UID, Groups: u.Groups, Extra: map[string]authorizationv1.ExtraValue{}}
	for k, v := range u.Extra {
		who.Extra[k] = authorizationv1.ExtraValue(v)
	}
	return who, nil
}

func (o *operatorAPI) allowed(ctx context.Context, who caller, key types.NamespacedName) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Username, UID: who.UID, Groups: who.Groups, Extra: who.Extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: key.Namespace, Name: key.Name, Verb: "get",
			Group: metal3.GroupVersion.Group, Resource: "baremetalhosts", Subresource: "console",
		},
	}}
	if err := o.live.Create(ctx, review); err != nil {
		return false, fmt.Errorf("review the access of %s: %w", who.Username, err)
	}
	return review.Status.Allowed, nil
}

// fail tells the operator that it is our fault, and the log why.
func (o *operatorAPI) fail(w http.ResponseWriter, what string, err error) {
	o.log.Error("operator's request failed", "step", what, "err", err)
	http.Error(w, "the API server cannot be asked who you are and what you may: try again", http.StatusServiceUnavailable)
}
