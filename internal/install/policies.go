package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	ingotv1 "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/config/policy"
)

var (
	admissionVersion = schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}
	policyResources  = map[string]schema.GroupVersionResource{
		"ValidatingAdmissionPolicy":        admissionVersion.WithResource("validatingadmissionpolicies"),
		"ValidatingAdmissionPolicyBinding": admissionVersion.WithResource("validatingadmissionpolicybindings"),
	}
	hostResource = schema.GroupVersionResource{Group: "metal3.io", Version: "v1alpha1", Resource: "baremetalhosts"}
)

// policies applies every admission policy and waits until they bite: the API server takes them up from a watch, a moment after they were stored.
func (i *installer) policies(ctx context.Context) error {
	files, err := fs.Glob(policy.Files, "*.yaml")
	if err != nil {
		return fmt.Errorf("list the embedded policies: %w", err)
	}
	for _, file := range files {
		objects, err := documents(file)
		if err != nil {
			return err
		}
		for _, obj := range objects {
			resource, ok := policyResources[obj.GetKind()]
			if !ok {
				return fmt.Errorf("the embedded policy %s holds a %s: policies and bindings only", file, obj.GetKind())
			}
			if err := i.apply(ctx, resource, obj); err != nil {
				return err
			}
		}
	}
	return i.policiesEffective(ctx)
}

func documents(file string) ([]*unstructured.Unstructured, error) {
	text, err := policy.Files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the embedded policy %s: %w", file, err)
	}
	decoder := yamlstream.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var all []*unstructured.Unstructured
	for {
		var obj unstructured.Unstructured
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("parse the embedded policy %s: %w", file, err)
		}
		all = append(all, &obj)
	}
}

// policiesEffective tries, without storing anything, to create objects that the policies must refuse. The API server takes policies up together but not necessarily in
// one go, so that the one that was applied last is asked too.
func (i *installer) policiesEffective(ctx context.Context) error {
	probes := []probe{
		{hostResource, "metal3.io/v1alpha1", "BareMetalHost", SystemNamespace, map[string]any{"online": false, "disablePowerOff": true}, nil},
		{hostResource, "metal3.io/v1alpha1", "BareMetalHost", SystemNamespace, map[string]any{"online": true}, map[string]string{"inspect.metal3.io": "probe"}},
		{partitionResource, ingotv1.GroupVersion.String(), "Partition", "", map[string]any{"provisioningNetwork": map[string]any{"cidr": "probe"}}, nil},
		{sizeResource, ingotv1.GroupVersion.String(), "Size", "", map[string]any{"constraints": []any{
			map[string]any{"type": "cores", "min": int64(2), "max": int64(1)}, map[string]any{"type": "memory", "min": "1Gi"}}}, nil},
	}
	for _, p := range probes {
		err := wait.PollUntilContextTimeout(ctx, poll, effective, true, func(ctx context.Context) (bool, error) {
			err := p.create(ctx, i.client)
			if err == nil {
				return false, nil
			}
			if apierrors.IsInvalid(err) {
				return true, nil
			}
			return false, err
		})
		if err != nil {
			return fmt.Errorf("wait until the admission policies for %s are in effect: %w", p.kind, err)
		}
	}
	return nil
}

// probe is an object that must be refused.
type probe struct {
	resource      schema.GroupVersionResource
	version, kind string
	namespace     string
	spec          map[string]any
	annotations   map[string]string
}

func (p probe) create(ctx context.Context, client dynamic.Interface) error {
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": p.version, "kind": p.kind, "spec": p.spec}}
	obj.SetName("ingot-install-probe")
	obj.SetNamespace(p.namespace)
	obj.SetAnnotations(p.annotations)
	_, err := client.Resource(p.resource).Namespace(p.namespace).Create(ctx, obj, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}
