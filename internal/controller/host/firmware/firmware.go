// Package firmware keeps the HostFirmwareSettings of hosts, and the FirmwareSchemas that describe them.
//
// It owns both objects' shape as Metal3 has it: one HostFirmwareSettings per host with its name, made when its BMC first showed settings and owned by the host; status.settings and
// status.schema from the last reading, the conditions Valid and ChangeDetected from the spec. It refuses decisions (prepare) and BMCs (the host controller's actions give it what was read).
//
// A FirmwareSchema is named by its content, so that all hosts of one model and firmware in a namespace share one. It has no owner. In Metal3 each host adds itself as an owner to the shared
// object, and a thousand hosts then wait for each other's writes; here it is created once and never written again. Those that no HostFirmwareSettings of its namespace names any
// more are swept after an hour.
//
// Invariants: a password is never written to an object; nothing is written that did not change; a schema exists before a status names it.
package firmware

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Keeper reads and writes the objects through a client that reads from watches and sees its own writes.
type Keeper struct {
	client client.Client

	mu sync.Mutex
	// registries are those that were read, by model and name: each is a megabyte to fetch and the same for all machines of a model.
	registries map[model]firmware.Registry
}

// model is what a registry is the same for.
type model struct{ vendor, model, firmware, registry string }

// maxRegistries bounds the memory: a site has a handful of models.
const maxRegistries = 64

// New makes a keeper.
func New(c client.Client) *Keeper {
	return &Keeper{client: c, registries: map[model]firmware.Registry{}}
}

// Reading is what a BMC showed.
type Reading struct {
	Vendor, Model string
	Settings      map[string]string
	Registry      firmware.Registry
}

// Read asks the BMC, for the registry only where it is a new one. A BMC that turns out to have no settings gives an empty reading.
func (k *Keeper) Read(ctx context.Context, s bmc.Session) (Reading, error) {
	id, b := s.Identity(), s.BIOS()
	r := Reading{Vendor: id.Vendor, Model: id.Model}
	if b == nil {
		return r, nil
	}
	now, err := b.Read(ctx)
	if bmc.KindOf(err) == step.Unsupported {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Settings = now.Settings
	key := model{id.Vendor, id.Model, id.FirmwareVersion, now.Registry}
	k.mu.Lock()
	registry, known := k.registries[key]
	k.mu.Unlock()
	if !known {
		if registry, err = b.Registry(ctx, now.Registry); err != nil && bmc.KindOf(err) != step.Unsupported {
			return r, err
		}
		k.mu.Lock()
		if len(k.registries) >= maxRegistries {
			clear(k.registries)
		}
		k.registries[key] = registry
		k.mu.Unlock()
	}
	r.Registry = registry
	return r, nil
}

// Get is the host's object; nil while there is none, or where it belongs to an earlier host of the name.
func (k *Keeper) Get(ctx context.Context, host *metal3.BareMetalHost) (*metal3.HostFirmwareSettings, error) {
	o := &metal3.HostFirmwareSettings{}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(host), o)
	if apierrors.IsNotFound(err) || err == nil && ofEarlier(o, host) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read HostFirmwareSettings: %w", err)
	}
	return o, nil
}

func ofEarlier(o client.Object, host *metal3.BareMetalHost) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.Kind == "BareMetalHost" && owner.UID != host.UID
}

// Facts is the object as decisions see it; o may be nil. Of the hundreds of settings it has those that are asked for.
func (k *Keeper) Facts(ctx context.Context, o *metal3.HostFirmwareSettings) (journey.FirmwareFacts, error) {
	if o == nil || !o.DeletionTimestamp.IsZero() {
		return journey.FirmwareFacts{}, nil
	}
	f := journey.FirmwareFacts{Generation: o.Generation, Wanted: Wanted(o)}
	if o.Status.FirmwareSchema == nil {
		return f, nil
	}
	if len(f.Wanted) == 0 {
		f.Described = true
		return f, nil
	}
	schema := &metal3.FirmwareSchema{}
	err := k.client.Get(ctx, types.NamespacedName{Namespace: o.Namespace, Name: o.Status.FirmwareSchema.Name}, schema)
	if apierrors.IsNotFound(err) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("read FirmwareSchema: %w", err)
	}
	f.Described, f.Current, f.Settings = true, map[string]string{}, map[string]firmware.Setting{}
	for name := range f.Wanted {
		if s, described := schema.Spec.Schema[name]; described {
			f.Settings[name] = settingOf(s)
		}
		if value, shown := o.Status.Settings[name]; shown {
			f.Current[name] = value
		}
	}
	return f, nil
}

// Wanted are the spec's settings as texts.
func Wanted(o *metal3.HostFirmwareSettings) map[string]string {
	if len(o.Spec.Settings) == 0 {
		return nil
	}
	out := make(map[string]string, len(o.Spec.Settings))
	for name, value := range o.Spec.Settings {
		out[name] = text(value)
	}
	return out
}

func text(v intstr.IntOrString) string { return v.String() }

// Save writes what was read into the host's objects, and makes them where they are missing.
func (k *Keeper) Save(ctx context.Context, host *metal3.BareMetalHost, r Reading, now time.Time) error {
	o, err := k.own(ctx, host)
	if err != nil {
		return err
	}
	schema, err := k.schema(ctx, host.Namespace, r)
	if err != nil {
		return err
	}
	shown := map[string]string{}
	for name, value := range r.Settings {
		if !secretSetting(name, r.Registry.Settings[name]) {
			shown[name] = value
		}
	}
	want := metal3.SchemaReference{Namespace: host.Namespace, Name: schema}
	s := o.Status
	if s.FirmwareSchema != nil && *s.FirmwareSchema == want && maps.Equal(s.Settings, shown) && s.Settings != nil {
		return nil
	}
	before := o.DeepCopy()
	at := metav1.NewTime(now)
	o.Status.FirmwareSchema, o.Status.Settings, o.Status.LastUpdated = &want, shown, &at
	judge(o, journey.FirmwareFacts{Wanted: Wanted(o), Settings: r.described(), Current: shown}, "")
	if err := k.client.Status().Patch(ctx, o, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("write the status of HostFirmwareSettings: %w", err)
	}
	return nil
}

// described is what the schema of the reading says. Where the BMC describes nothing, what it shows can be set, and the BMC judges the values.
func (r Reading) described() map[string]firmware.Setting {
	if len(r.Registry.Settings) > 0 {
		return r.Registry.Settings
	}
	out := make(map[string]firmware.Setting, len(r.Settings))
	for name := range r.Settings {
		out[name] = firmware.Setting{}
	}
	return out
}

// own is the host's object with the host as its owner: one that was made by hand before the host's first preparation is adopted, so that it goes with the host.
func (k *Keeper) own(ctx context.Context, host *metal3.BareMetalHost) (*metal3.HostFirmwareSettings, error) {
	owner := *metav1.NewControllerRef(host, metal3.GroupVersion.WithKind("BareMetalHost"))
	o := &metal3.HostFirmwareSettings{}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(host), o)
	switch {
	case apierrors.IsNotFound(err):
		o = &metal3.HostFirmwareSettings{ObjectMeta: metav1.ObjectMeta{Namespace: host.Namespace, Name: host.Name, OwnerReferences: []metav1.OwnerReference{owner}}}
		o.Spec.Settings = metal3.DesiredSettingsMap{}
		if err := k.client.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("create HostFirmwareSettings: %w", err)
		}
		return o, nil
	case err != nil:
		return nil, fmt.Errorf("read HostFirmwareSettings: %w", err)
	case ofEarlier(o, host):
		return nil, fmt.Errorf("the HostFirmwareSettings of an earlier host %s are not collected yet", host.Name)
	case metav1.GetControllerOf(o) == nil:
		before := o.DeepCopy()
		o.OwnerReferences = append(o.OwnerReferences, owner)
		if err := k.client.Patch(ctx, o, client.MergeFrom(before)); err != nil {
			return nil, fmt.Errorf("adopt HostFirmwareSettings: %w", err)
		}
	}
	return o.DeepCopy(), nil
}
