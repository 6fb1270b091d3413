package hostclaim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/claimfacts"
)

// find adopts the host that names the claim already, or chooses one and writes the intent.
func (r *Reconciler) find(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	var named metal3.BareMetalHostList
	if err := r.cached.List(ctx, &named, client.MatchingFields{consumerIndex: client.ObjectKeyFromObject(c).String()}); err != nil {
		return 0, fmt.Errorf("list hosts of the claim: %w", err)
	}
	if len(named.Items) > 0 {
		// The status was lost, as it is when objects are moved between clusters, or somebody gave the host by hand.
		h := &named.Items[0]
		return afterConflict, r.intend(ctx, c, h.Namespace, h.Name)
	}
	unproved := map[string]bool{}
	for {
		h, why, err := r.choose(ctx, c, unproved)
		if errors.Is(err, survey.ErrMachineUnseen) {
			return r.recheck, r.say(ctx, c, associated(metal3.NoBareMetalHostReason, err.Error()))
		}
		if err != nil {
			return 0, err
		}
		if why != "" {
			again := whileWaiting
			if r.book.open() {
				// A choice that is not written yet may come to nothing, and nobody is woken by that.
				again = whileChoosing
			}
			return again, r.say(ctx, c, associated(metal3.NoBareMetalHostReason, why))
		}
		name := strings.TrimPrefix(h.Name, h.Namespace+"/")
		proved, err := r.clean(ctx, h.Namespace, name)
		if err != nil {
			return 0, err
		}
		if proved {
			r.log.Info("host chosen for a claim", "machine", h.Name, "claim", client.ObjectKeyFromObject(c).String())
			if err := r.intend(ctx, c, h.Namespace, name); err != nil {
				r.book.strike(c)
				return 0, err
			}
			return afterConflict, nil
		}
		r.book.strike(c)
		unproved[h.Name] = true
	}
}

// choose gives the claim's host, or says why there is none. One choice at a time, until it is in the book: two in one pass would fall on one host, or go over a quota together. That the choice is written comes after, so that
// nobody waits for the API server here; where it cannot be written, it is struck out.
func (r *Reconciler) choose(ctx context.Context, c *metal3.HostClaim, unproved map[string]bool) (h claim.Host, why string, err error) {
	r.choosing.Lock()
	defer r.choosing.Unlock()
	s, err := r.survey(ctx)
	if err != nil {
		return h, "", err
	}
	q, err := s.Request(c)
	if err != nil {
		return h, "", err
	}
	v, rules := s.Inventory(), s.Rules()
	for name := range unproved {
		if x, known := v.Host(name); known && x.State == claim.Offered {
			x.State, x.Why = claim.NotReady, "its disks are not proved to be clean"
			v.Set(x)
		}
	}
	d := claim.Choose(v, rules, q)
	if d.Refusal != nil {
		return h, tell(claim.Explain(v, rules, q), q), nil
	}
	h, _ = v.Host(d.Host)
	r.book.note(d.Host, c, r.now())
	return h, "", nil
}

// intend writes which host the claim means to have. It is the claim's resource version that decides between two processes.
func (r *Reconciler) intend(ctx context.Context, c *metal3.HostClaim, namespace, name string) error {
	c.Status.BareMetalHost = &metal3.ObjectReference{Namespace: namespace, Name: name}
	return r.say(ctx, c, associated(reasonBinding, fmt.Sprintf("host %s/%s is chosen", namespace, name)))
}

// clean says whether a host's wipe is proved. A host that was never cleaned has the disks of whoever had the machine before.
func (r *Reconciler) clean(ctx context.Context, namespace, name string) (bool, error) {
	l := &ingot.HostLifecycle{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, l)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the record of host %s/%s: %w", namespace, name, err)
	}
	return l.Status.CleanedAt != nil, nil
}

// survey reads what package claim decides on: all that the watches have, and what this process wrote and they may not have yet.
func (r *Reconciler) survey(ctx context.Context) (*survey.Survey, error) {
	f, err := claimfacts.Read(ctx, r.cached, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, err
	}
	f.Intents = r.book.intents(f.Claims, r.now())
	return survey.New(f), nil
}

// toldHosts is how many hosts a condition's message speaks of: it may have 32 KiB, and nobody reads more.
const toldHosts = 20

// tell says to a tenant why there is no host, host by host: of hosts in namespaces that are open to it, and without who has them.
func tell(e claim.Explanation, q claim.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s.", reason(e.Decision.Refusal, q), e.Decision.Refusal.Fix)
	told, open, closed := 0, 0, 0
	for _, v := range e.Verdicts {
		namespace, _, _ := strings.Cut(v.Host, "/")
		if why, known := q.Open[namespace]; !known || why != "" {
			closed++
			continue
		}
		open++
		if told == toldHosts {
			continue
		}
		told++
		why := v.Why
		if strings.HasPrefix(why, "it is held by ") {
			why = "somebody has it"
		}
		fmt.Fprintf(&b, " %s: %s.", v.Host, why)
	}
	if open > told {
		fmt.Fprintf(&b, " And %d more hosts like these.", open-told)
	}
	if closed > 0 {
		fmt.Fprintf(&b, " %d hosts are in namespaces that no HostDeployPolicy opens to this one.", closed)
	}
	return b.String()
}

// reason is a refusal in words for a tenant: of a host that is named it says no more than of others, and of reservations not whose they are.
func reason(f *claim.Refusal, q claim.Request) string {
	namespace, _, named := strings.Cut(q.Host, "/")
	switch why, known := q.Open[namespace]; {
	case named && (!known || why != ""):
		return fmt.Sprintf("host %s is not there, or no HostDeployPolicy opens it to this namespace", q.Host)
	case f.Reason == claim.HostTaken && strings.Contains(f.Message, " is held by "):
		return fmt.Sprintf("somebody has host %s", q.Host)
	case f.Reason == claim.Reserved:
		return "what is free is reserved for others"
	}
	return f.Message
}
