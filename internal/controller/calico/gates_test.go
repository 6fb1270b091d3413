package calico_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	decoder "github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/calico/calicotest"
	"github.com/ingotmetal/ingot/internal/controller/calico"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

// resources are the plurals of the kinds.
var resources = map[string]string{
	"HostEndpoint": "hostendpoints", "GlobalNetworkPolicy": "globalnetworkpolicies", "NetworkPolicy": "networkpolicies", "StagedGlobalNetworkPolicy": "stagedglobalnetworkpolicies",
	"StagedNetworkPolicy": "stagednetworkpolicies", "GlobalNetworkSet": "globalnetworksets", "NetworkSet": "networksets", "Tier": "tiers", "Profile": "profiles",
}

// Who refuses a bad manifest.
const (
	byForm   = "form"   // it is no object, or of no kind that is served: kubectl refuses it before it is sent
	bySchema = "schema" // the API server refuses it
	byReport = "report" // it is stored; the controller reports it, and hosts refuse it
)

// reported are the manifests that no schema of Kubernetes can refuse, with the reason why.
var reported = map[string]string{
	"selector wrong":           "a grammar is more than a pattern",
	"selector global":          "a grammar is more than a pattern",
	"namespace selector wrong": "a grammar is more than a pattern",
	"peer's selector wrong":    "a grammar is more than a pattern",
	"peer's selector global":   "a grammar is more than a pattern",
	"named port twice":         "comparing each with each is beyond the budget of expressions, and a list's key can't be a number or a string",
	"range upside down":        "no pattern compares numbers, and expressions on 2 × 1,024 × 200 ports are beyond the budget",
	"mapped net":               "a pattern that knows all spellings of IPv6 would be a page",
}

func TestEachBadManifestIsRefusedBySomebody(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client, err := dynamic.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	w := startController(t, cp)
	counts := map[string]int{}
	for i, c := range calicotest.Bad() {
		gate := ""
		for n, document := range strings.Split(c.Text, "---\n") {
			obj := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict([]byte(document), &obj.Object); err != nil || resources[obj.GetKind()] == "" || obj.GetAPIVersion() != decoder.APIVersion {
				if obj.GetKind() != "List" {
					gate = byForm
					continue
				}
				if obj.Object, err = onlyItem(obj); err != nil {
					t.Fatal(err)
				}
			}
			err := w.create(client, obj, fmt.Sprintf("bad-%d-%d", i, n))
			switch {
			case apierrors.IsNotFound(err):
				gate = byForm // a namespace where there is none, or none where there is one, leads to no address of the API
			case err == nil && gate == "" && refuses(t, obj):
				gate = byReport
				w.reported(c, obj)
			case err != nil:
				gate = bySchema
				if !names(err, c.Path) {
					t.Errorf("%s: the API server refuses it without naming %s: %v", c.Name, c.Path, err)
				}
			}
		}
		counts[gate]++
		if _, listed := reported[c.Name]; gate == "" || listed != (gate == byReport) {
			t.Errorf("%s: refused by %q, and listed as only reported: %v", c.Name, gate, listed)
		}
	}
	t.Logf("of %d bad manifests %d are refused by form, %d by the API server's schemas and %d by the controller's report", len(calicotest.Bad()), counts[byForm], counts[bySchema], counts[byReport])
	if counts[bySchema] < 60 {
		t.Errorf("the API server refuses %d bad manifests, want at least 60", counts[bySchema])
	}
}

func onlyItem(list *unstructured.Unstructured) (map[string]any, error) {
	items, _, err := unstructured.NestedSlice(list.Object, "items")
	if err != nil || len(items) != 1 {
		return nil, fmt.Errorf("%d items: %w", len(items), err)
	}
	return items[0].(map[string]any), nil
}

// refuses says whether the decoder refuses what was stored.
func refuses(t *testing.T, obj *unstructured.Unstructured) bool {
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		t.Fatal(err)
	}
	_, err = decoder.Decode(text)
	return err != nil
}

// names says whether an error names a field. The API server leaves out the index where a whole list is wrong, and names what holds the field where two fields contradict each other.
func names(err error, path string) bool {
	text := err.Error()
	end := strings.LastIndex(path, ".")
	last, _, _ := strings.Cut(path[end+1:], "[")
	return strings.Contains(text, path) || strings.Contains(text, last) || end > 0 && strings.Contains(text, path[:end]+":")
}

type world struct {
	t    *testing.T
	core kubernetes.Interface
}

// create asks for strict validation, as kubectl does. Only the objects of names that have a meaning keep theirs.
func (w *world) create(client dynamic.Interface, obj *unstructured.Unstructured, name string) error {
	w.t.Helper()
	resource := schema.GroupVersionResource{Group: "projectcalico.org", Version: "v3", Resource: resources[obj.GetKind()]}
	if text, _, _ := unstructured.NestedString(obj.Object, "metadata", "name"); text == "x" {
		if err := unstructured.SetNestedField(obj.Object, name, "metadata", "name"); err != nil {
			w.t.Fatal(err)
		}
	}
	ns := obj.GetNamespace()
	if ns == "other" {
		ns = "default"
		if slices.Contains([]string{"NetworkPolicy", "NetworkSet", "StagedNetworkPolicy"}, obj.GetKind()) {
			obj.SetNamespace(ns)
		}
	}
	var target dynamic.ResourceInterface = client.Resource(resource)
	if ns != "" {
		target = client.Resource(resource).Namespace(ns)
	}
	_, err := target.Create(w.t.Context(), obj, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if apierrors.IsAlreadyExists(err) {
		w.t.Fatal(err)
	}
	return err
}

// reported waits for the controller's event about an object.
func (w *world) reported(c calicotest.Manifest, obj *unstructured.Unstructured) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var last []string
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		list, err := w.core.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + obj.GetName()})
		if err != nil {
			return false, err
		}
		last = nil
		for _, e := range list.Items {
			last = append(last, e.Message)
		}
		return slices.ContainsFunc(list.Items, func(e corev1.Event) bool {
			return e.Reason == "Refused" && strings.Contains(e.Message, c.Path) && strings.Contains(e.Message, c.Reason)
		}), nil
	})
	if err != nil {
		w.t.Errorf("%s: no event says %s: %s; there are %q", c.Name, c.Path, c.Reason, last)
	}
}

func startController(t *testing.T, cp *controlplanetest.Server) *world {
	t.Helper()
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(cp.As(t, "controller", ""), manager.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := calico.Add(mgr, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	core, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, core}
}

// TestManifestsAreAcceptedAsTheyAre: what the decoder reads, the API stores, and gives back with the same meaning.
func TestManifestsAreAcceptedAsTheyAre(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client, err := dynamic.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	core, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apps"}}, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	stored := 0
	for document := range strings.SplitSeq(calicotest.Everything, "\n---") {
		_, document, _ = strings.Cut(document, "\n")
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &obj.Object); err != nil {
			t.Fatal(err)
		}
		all := []unstructured.Unstructured{*obj}
		if obj.GetKind() == "List" {
			list, err := obj.ToList()
			if err != nil {
				t.Fatal(err)
			}
			all = list.Items
		}
		for _, one := range all {
			if one.GetKind() == "" {
				continue
			}
			one.SetResourceVersion("")
			one.SetUID("")
			r := client.Resource(schema.GroupVersionResource{Group: "projectcalico.org", Version: "v3", Resource: resources[one.GetKind()]})
			var target dynamic.ResourceInterface = r
			if one.GetNamespace() != "" {
				target = r.Namespace(one.GetNamespace())
			}
			got, err := target.Create(t.Context(), &one, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
			if err != nil {
				t.Errorf("%s %s: %v", one.GetKind(), one.GetName(), err)
				continue
			}
			stored++
			if a, b := meaning(t, &one), meaning(t, got); a != b {
				t.Errorf("%s %s means %s, and as stored %s", one.GetKind(), one.GetName(), a, b)
			}
		}
	}
	if stored < 8 {
		t.Errorf("%d objects were stored", stored)
	}
}

// meaning is what the decoder makes of an object, without what the API server adds.
func meaning(t *testing.T, obj *unstructured.Unstructured) string {
	t.Helper()
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		t.Fatal(err)
	}
	o, err := decoder.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(again)
}
