package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// API is the one Firewall at the API server. Its client needs the right to nothing else.
type API struct {
	Client          dynamic.Interface
	Namespace, Name string
}

func (a API) firewalls() dynamic.ResourceInterface {
	return a.Client.Resource(ingot.GroupVersion.WithResource("firewalls")).Namespace(a.Namespace)
}

// Run implements Source.
func (a API) Run(ctx context.Context, deliver func(*ingot.Firewall)) error {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(a.Client, 0, a.Namespace, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", a.Name).String()
	})
	informer := factory.ForResource(ingot.GroupVersion.WithResource("firewalls")).Informer()
	tell := func(x any) {
		u, ok := x.(*unstructured.Unstructured)
		if !ok {
			return
		}
		f := &ingot.Firewall{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, f); err == nil {
			deliver(f)
		}
	}
	// A Firewall that is deleted is wiped with its machine; until then its last rules stay.
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, x any) { tell(x) }}); err != nil {
		return fmt.Errorf("watch Firewall %s/%s: %w", a.Namespace, a.Name, err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	<-ctx.Done()
	return nil
}

// Report implements Source.
func (a API) Report(ctx context.Context, r Report) error {
	// What is not there any more is null, which takes it away.
	applied, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&r.Applied)
	if err != nil {
		return err
	}
	for _, field := range []string{"interfaces", "sharedInterfaces", "problem"} {
		if _, ok := applied[field]; !ok {
			applied[field] = nil
		}
	}
	var drops any
	if len(r.Drops) > 0 {
		drops = r.Drops
	}
	var named any
	if len(r.Names) > 0 {
		named = r.Names
	}
	status := map[string]any{}
	if r.Current {
		status = map[string]any{"applied": applied, "lastSeen": r.Seen.UTC().Format(time.RFC3339), "drops": drops, "names": named}
	}
	if r.Member != nil {
		member, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r.Member)
		if err != nil {
			return err
		}
		if _, ok := member["problem"]; !ok {
			member["problem"] = nil
		}
		status["members"] = map[string]any{r.Machine: member}
	}
	text, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	if _, err := a.firewalls().Patch(ctx, a.Name, types.MergePatchType, text, metav1.PatchOptions{FieldManager: "ingot-node"}, "status"); err != nil {
		return fmt.Errorf("write the status of Firewall %s/%s: %w", a.Namespace, a.Name, err)
	}
	return nil
}
