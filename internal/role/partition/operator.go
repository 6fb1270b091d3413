package partition

import (
	"context"

	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/server/caller"
)

// operatorAPI answers people: what is too large or too fleeting for an object of the API. Who may read what is the API server's word: every request is a
// SubjectAccessReview for the verb get on baremetalhosts/console of the host's namespace, in the name of the client certificate or of the bearer token.
type operatorAPI struct {
	who   caller.Reviewer
	hosts *host.Reconciler
	// serials opens hosts' consoles.
	serials serials
	logs    *agentLogs
	log     *slog.Logger
}

// operatorTimeout bounds a request: some BMCs give their log out line by line.
const operatorTimeout = 2 * time.Minute

func (o *operatorAPI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/hosts/{namespace}/{name}/console-log", o.consoleLog)
	mux.HandleFunc("GET /v1/hosts/{namespace}/{name}/serial", o.serial)
	return mux
}

func (o *operatorAPI) consoleLog(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), operatorTimeout)
	defer cancel()
	key, ok := o.admit(ctx, w, r, "get", "console")
	if !ok {
		return
	}
	o.answer(ctx, w, key, r.URL.Query().Get("source"))
}

// admit says which host is asked for, if who asks has the right. Else it has answered.
func (o *operatorAPI) admit(ctx context.Context, w http.ResponseWriter, r *http.Request, verb, subresource string) (types.NamespacedName, bool) {
	key := types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	if len(validation.IsDNS1123Label(key.Namespace)) > 0 || len(validation.IsDNS1123Subdomain(key.Name)) > 0 {
		http.Error(w, "not a host's name", http.StatusBadRequest)
		return key, false
	}
	who, err := o.who.Authenticate(ctx, r)
	if err != nil {
		o.fail(w, "authenticate an operator", err)
		return key, false
	}
	if who == nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "a client certificate or a bearer token is needed", http.StatusUnauthorized)
		return key, false
	}
	allowed, err := o.who.Allowed(ctx, *who, caller.Question{
		Namespace: key.Namespace, Name: key.Name, Verb: verb, Group: metal3.GroupVersion.Group, Resource: "baremetalhosts", Subresource: subresource,
	})
	if err != nil {
		o.fail(w, "authorise an operator", err)
		return key, false
	}
	if !allowed {
		http.Error(w, fmt.Sprintf("%s may not %s baremetalhosts/%s in namespace %s", who.Username, verb, subresource, key.Namespace), http.StatusForbidden)
		return key, false
	}
	return key, true
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

// fail tells the operator that it is our fault, and the log why.
func (o *operatorAPI) fail(w http.ResponseWriter, what string, err error) {
	o.log.Error("operator's request failed", "step", what, "err", err)
	http.Error(w, "the API server cannot be asked who you are and what you may: try again", http.StatusServiceUnavailable)
}
