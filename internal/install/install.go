package install

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	ingotv1 "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/config/crd"
)

const (
	fieldManager = "ingot-install"
	// SystemNamespace holds what the roles keep for themselves: leases, the key of each partition's agent CA.
	SystemNamespace = "ingot-system"
	// effective bounds the wait for kinds and policies to take effect; measured 0.1 to 2 s, on a machine that is busy with other things several times that.
	effective = 3 * time.Minute
	poll      = 50 * time.Millisecond
)

var (
	crdResource       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	namespaceResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	partitionResource = ingotv1.GroupVersion.WithResource("partitions")
	sizeResource      = ingotv1.GroupVersion.WithResource("sizes")
)

// Options say what is installed beside what always is.
type Options struct {
	// Partition is created when there is none of its name; an existing one is left alone. Nil: none.
	Partition *ingotv1.Partition
	// ProviderGroups are the groups that have a provider role, by the role's name; what is not in it is taken away.
	ProviderGroups map[string][]string
}

// Apply installs everything and waits until it is in effect. The configuration needs an administrator's rights.
func Apply(ctx context.Context, cfg *rest.Config, o Options) error {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1 // some 40 requests, all at once; client-go's default of 5 a second would make seconds of them
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("install: make a client for %s: %w", cfg.Host, err)
	}
	groups, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return fmt.Errorf("install: make a client for %s: %w", cfg.Host, err)
	}
	i := installer{client: client, groups: groups, people: o.ProviderGroups}
	for _, step := range []func(context.Context) error{i.kinds, i.namespaces, i.permissions, i.kindsServed, i.policies} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("install into %s: %w", cfg.Host, err)
		}
	}
	if o.Partition != nil {
		if err := i.partition(ctx, o.Partition); err != nil {
			return fmt.Errorf("install into %s: %w", cfg.Host, err)
		}
	}
	return nil
}

type installer struct {
	client dynamic.Interface
	groups discovery.ServerGroupsInterface
	// people are the groups with provider roles.
	people map[string][]string
	// crds are the names of the applied definitions.
	crds []string
}

func (i *installer) apply(ctx context.Context, resource schema.GroupVersionResource, obj *unstructured.Unstructured) error {
	text, err := json.Marshal(obj)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	force := true
	_, err = i.client.Resource(resource).Namespace(obj.GetNamespace()).
		Patch(ctx, obj.GetName(), types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: fieldManager, Force: &force})
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return nil
}

// applyTyped applies a typed object, which must have its kind set.
func (i *installer) applyTyped(ctx context.Context, resource schema.GroupVersionResource, obj any) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return fmt.Errorf("convert %T: %w", obj, err)
	}
	return i.apply(ctx, resource, &unstructured.Unstructured{Object: content})
}

func (i *installer) kinds(ctx context.Context) error {
	files, err := fs.Glob(crd.Files, "*.yaml")
	if err != nil {
		return fmt.Errorf("list the embedded definitions: %w", err)
	}
	foreign, err := i.foreignGroups(ctx)
	if err != nil {
		return err
	}
	for _, file := range files {
		if group, _, _ := strings.Cut(file, "_"); foreign[group] {
			continue
		}
		text, err := crd.Files.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the embedded definition %s: %w", file, err)
		}
		var obj unstructured.Unstructured
		if err := yaml.Unmarshal(text, &obj.Object); err != nil {
			return fmt.Errorf("parse the embedded definition %s: %w", file, err)
		}
		if err := i.apply(ctx, crdResource, &obj); err != nil {
			return err
		}
		i.crds = append(i.crds, obj.GetName())
	}
	return nil
}

// kindsServed waits until the API server serves every kind.
func (i *installer) kindsServed(ctx context.Context) error {
	for _, name := range i.crds {
		err := wait.PollUntilContextTimeout(ctx, poll, effective, true, func(ctx context.Context) (bool, error) {
			obj, err := i.client.Resource(crdResource).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			return established(obj), nil
		})
		if err != nil {
			return fmt.Errorf("wait until %s is established: %w", name, err)
		}
	}
	return nil
}

func established(obj *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions {
		c, ok := c.(map[string]any)
		if ok && c["type"] == "Established" && c["status"] == "True" {
			return true
		}
	}
	return false
}

func (i *installer) namespaces(ctx context.Context) error {
	for _, name := range []string{ingotv1.BootNamespace, ingotv1.BMCNamespace, ingotv1.ConsoleNamespace, SystemNamespace} {
		obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
		if err := i.apply(ctx, namespaceResource, obj); err != nil {
			return err
		}
	}
	return nil
}

func (i *installer) partition(ctx context.Context, p *ingotv1.Partition) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p)
	if err != nil {
		return fmt.Errorf("convert Partition %s: %w", p.Name, err)
	}
	obj := &unstructured.Unstructured{Object: content}
	obj.SetGroupVersionKind(ingotv1.GroupVersion.WithKind("Partition"))
	_, err = i.client.Resource(partitionResource).Create(ctx, obj, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Partition %s: %w", p.Name, err)
	}
	return nil
}
