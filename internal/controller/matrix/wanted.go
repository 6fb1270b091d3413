package matrix

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// DigestAnnotation on an object that we made is the digest of what we wrote. An object whose spec is another one, while this is what we would write now, was edited.
const DigestAnnotation = "ingot.dev/digest"

// digestBytes are enough to tell a site's objects apart; nobody gains by a collision but who may write matrices anyway.
const digestBytes = 12

// wanted is one object that has to be there.
type wanted struct {
	key
	digest string
	// typed is for comparison, content for the API server: it has what we say and no more.
	typed   client.Object
	content *unstructured.Unstructured
}

// objects makes what a compiled matrix needs. Names and labels of the objects are the compiler's; the marks of ownership are added here.
func objects(root *ingot.CommunicationMatrix, o calico.Objects) (map[key]*wanted, error) {
	all := map[key]*wanted{}
	for _, manifest := range policy.Manifests(o) {
		w, err := object(root, manifest)
		if err != nil {
			return nil, fmt.Errorf("make an object of matrix %s: %w", root.Name, err)
		}
		all[w.key] = w
	}
	revise(all, o)
	return all, nil
}

func object(root *ingot.CommunicationMatrix, manifest map[string]any) (*wanted, error) {
	text, err := json.Marshal(manifest) // with its keys in order, so that the digest is the same each time
	if err != nil {
		return nil, err
	}
	w := &wanted{content: &unstructured.Unstructured{}, digest: digest(text)}
	if err := w.content.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	w.key = key{w.content.GetKind(), w.content.GetName()}
	k, ok := kindOf(w.kind)
	if !ok {
		return nil, fmt.Errorf("%s: a matrix makes no objects of this kind", w.key)
	}
	w.typed = k.make()
	if err := json.Unmarshal(text, w.typed); err != nil {
		return nil, fmt.Errorf("%s: %w", w.key, err)
	}
	labels := map[string]string{"app.kubernetes.io/managed-by": "ingot"}
	if !k.shared {
		labels[api.MatrixLabel] = root.Name
	}
	for name, value := range w.content.GetLabels() {
		labels[name] = value
	}
	w.content.SetLabels(labels)
	w.annotate(DigestAnnotation, w.digest)
	owner := metav1.OwnerReference{APIVersion: ingot.GroupVersion.String(), Kind: "CommunicationMatrix", Name: root.Name, UID: root.UID}
	if !k.shared {
		yes := true
		owner.Controller = &yes
	}
	w.content.SetOwnerReferences([]metav1.OwnerReference{owner})
	defaults(w.typed)
	return w, nil
}

// defaults says what the schema would fill in.
func defaults(obj client.Object) {
	switch o := obj.(type) {
	case *api.GlobalNetworkPolicy:
		if o.Spec.Tier == "" {
			o.Spec.Tier = calico.DefaultTier
		}
	case *api.Tier:
		if o.Spec.DefaultAction == "" {
			o.Spec.DefaultAction = api.TierAction(calico.Deny)
		}
	}
}

func (w *wanted) annotate(name, value string) {
	a := w.content.GetAnnotations()
	if a == nil {
		a = map[string]string{}
	}
	a[name] = value
	w.content.SetAnnotations(a)
}

// revise marks each endpoint with the digest of itself and of all policies that select it: it changes when the rules of that host do, and with nobody else's. Who the
// peers in those rules are is not part of it: peers come and go as members of sets, and rules stay.
func revise(all map[key]*wanted, o calico.Objects) {
	for _, e := range o.HostEndpoints {
		w := all[key{"HostEndpoint", e.Name}]
		digests := []string{w.digest}
		for i := range o.Policies {
			p := &o.Policies[i]
			if p.Selector.Matches(e.Labels) {
				digests = append(digests, all[key{string(p.Kind), p.Name}].digest)
			}
		}
		slices.Sort(digests[1:])
		text, _ := json.Marshal(digests) // strings always marshal
		w.annotate(api.RevisionAnnotation, digest(text))
	}
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:digestBytes])
}
