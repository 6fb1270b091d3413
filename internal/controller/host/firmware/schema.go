package firmware

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/firmware"
)

// madeBy marks the schemas that this role made, which are the ones it may sweep.
const madeBy = "ingot.dev/firmware-schema"

// sweepAfter is how old a schema is before it is swept: it is made before the status that names it.
const sweepAfter = time.Hour

// schema makes the FirmwareSchema of a reading unless it is there, and gives its name.
func (k *Keeper) schema(ctx context.Context, namespace string, r Reading) (string, error) {
	spec := metal3.FirmwareSchemaSpec{HardwareVendor: r.Vendor, HardwareModel: r.Model, Schema: map[string]metal3.SettingSchema{}}
	for name, s := range r.described() {
		spec.Schema[name] = schemaOf(s)
	}
	content, err := json.Marshal(spec) // maps are written in the order of their keys
	if err != nil {
		return "", fmt.Errorf("encode FirmwareSchema: %w", err)
	}
	sum := sha256.Sum256(content)
	name := "schema-" + hex.EncodeToString(sum[:8])
	o := &metal3.FirmwareSchema{}
	err = k.client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, o)
	if err == nil {
		return name, nil
	}
	if !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("read FirmwareSchema: %w", err)
	}
	o = &metal3.FirmwareSchema{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{madeBy: ""}}, Spec: spec}
	if err := k.client.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("create FirmwareSchema: %w", err)
	}
	return name, nil
}

// Sweep deletes the schemas that no HostFirmwareSettings of their namespace names. Other partitions' hosts count as well.
func (k *Keeper) Sweep(ctx context.Context, now time.Time) error {
	var schemas metal3.FirmwareSchemaList
	if err := k.client.List(ctx, &schemas, client.HasLabels{madeBy}); err != nil {
		return fmt.Errorf("list FirmwareSchemas: %w", err)
	}
	used := map[types.NamespacedName]bool{}
	if len(schemas.Items) > 0 {
		var settings metal3.HostFirmwareSettingsList
		if err := k.client.List(ctx, &settings, client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("list HostFirmwareSettings: %w", err)
		}
		for _, s := range settings.Items {
			if ref := s.Status.FirmwareSchema; ref != nil {
				used[types.NamespacedName{Namespace: s.Namespace, Name: ref.Name}] = true
			}
		}
	}
	for i := range schemas.Items {
		o := &schemas.Items[i]
		if used[client.ObjectKeyFromObject(o)] || now.Sub(o.CreationTimestamp.Time) < sweepAfter {
			continue
		}
		if err := k.client.Delete(ctx, o, client.Preconditions{UID: &o.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete FirmwareSchema %s/%s: %w", o.Namespace, o.Name, err)
		}
	}
	return nil
}

// secretSetting: its value is for nobody who reads objects.
func secretSetting(name string, s firmware.Setting) bool {
	return s.Kind == firmware.Password || strings.Contains(name, "Password")
}

func schemaOf(s firmware.Setting) metal3.SettingSchema {
	out := metal3.SettingSchema{
		AttributeType: string(s.Kind), AllowableValues: s.Values, LowerBound: narrow(s.Lowest), UpperBound: narrow(s.Highest), MinLength: s.MinLength, MaxLength: s.MaxLength,
	}
	if s.ReadOnly {
		out.ReadOnly = ptr.To(true)
	}
	if s.Unique {
		out.Unique = ptr.To(true)
	}
	return out
}

func settingOf(s metal3.SettingSchema) firmware.Setting {
	return firmware.Setting{
		Kind: firmware.Kind(s.AttributeType), Values: s.AllowableValues, Lowest: widen(s.LowerBound), Highest: widen(s.UpperBound), MinLength: s.MinLength, MaxLength: s.MaxLength,
		ReadOnly: ptr.Deref(s.ReadOnly, false), Unique: ptr.Deref(s.Unique, false),
	}
}

func narrow(n *int64) *int {
	if n == nil {
		return nil
	}
	return ptr.To(int(*n))
}

func widen(n *int) *int64 {
	if n == nil {
		return nil
	}
	return ptr.To(int64(*n))
}
