package seeded

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

const (
	goodImage  = "https://images.test/debian.raw.zst"
	otherImage = "https://images.test/other.qcow2"
	liveISO    = "https://images.test/live.iso"
	dataISO    = "https://images.test/data.iso"
	goodSum    = "abababababababababababababababababababababababababababababababab"
	badSum     = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
)

// owner is what people do to a host, by name.
type owner map[string]func(*world, *machine)

func spec(change func(*metal3.BareMetalHostSpec)) func(*world, *machine) {
	return func(w *world, m *machine) {
		w.edit(m.key, func(h *metal3.BareMetalHost) { change(&h.Spec) })
	}
}

func annotation(name, value string) func(*world, *machine) {
	return func(w *world, m *machine) {
		w.edit(m.key, func(h *metal3.BareMetalHost) { setAnnotation(h, name, value) })
	}
}

func bare(name string) func(*world, *machine) {
	return func(w *world, m *machine) {
		w.edit(m.key, func(h *metal3.BareMetalHost) { delete(h.Annotations, name) })
	}
}

func image(url, sum string) func(*world, *machine) {
	return spec(func(s *metal3.BareMetalHostSpec) {
		s.Image = &metal3.Image{URL: url, Checksum: sum, ChecksumType: metal3.SHA256}
	})
}

// volumes asks for so many hardware volumes.
func volumes(n int) func(*world, *machine) {
	return spec(func(s *metal3.BareMetalHostSpec) {
		s.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{}}
		for i := range n {
			s.RAID.HardwareRAIDVolumes = append(s.RAID.HardwareRAIDVolumes, metal3.HardwareRAIDVolume{Level: []string{"1", "0"}[i]})
		}
	})
}

func hardReboot() string { return `{"mode":"hard"}` }

// deeds are all that an owner may do.
func deeds() owner {
	rotational := true
	return owner{
		"image": image(goodImage, goodSum), "other image": image(otherImage, goodSum), "bad image": image(goodImage, badSum),
		"live ISO": spec(func(s *metal3.BareMetalHostSpec) {
			format := "live-iso"
			s.Image = &metal3.Image{URL: liveISO, DiskFormat: &format}
		}),
		"no image":     spec(func(s *metal3.BareMetalHostSpec) { s.Image = nil }),
		"online":       spec(func(s *metal3.BareMetalHostSpec) { s.Online = true }),
		"offline":      spec(func(s *metal3.BareMetalHostSpec) { s.Online = false }),
		"no power off": spec(func(s *metal3.BareMetalHostSpec) { s.DisablePowerOff = true }),
		"power off":    spec(func(s *metal3.BareMetalHostSpec) { s.DisablePowerOff = false }),
		"no cleaning":  spec(func(s *metal3.BareMetalHostSpec) { s.AutomatedCleaningMode = metal3.CleaningModeDisabled }),
		"cleaning":     spec(func(s *metal3.BareMetalHostSpec) { s.AutomatedCleaningMode = metal3.CleaningModeMetadata }),
		"hints": spec(func(s *metal3.BareMetalHostSpec) {
			s.RootDeviceHints = &metal3.RootDeviceHints{Rotational: &rotational}
		}),
		"bad hints":           spec(func(s *metal3.BareMetalHostSpec) { s.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "none"} }),
		"no hints":            spec(func(s *metal3.BareMetalHostSpec) { s.RootDeviceHints = nil }),
		"volume":              volumes(1),
		"two volumes":         volumes(2),
		"no volumes":          volumes(0),
		"volumes as they are": spec(func(s *metal3.BareMetalHostSpec) { s.RAID = nil }),
		"burn-in":             annotation(ingot.BurnInAnnotation, "cpu=10m,disk=sample"),
		"writing burn-in":     annotation(ingot.BurnInAnnotation, "disk=write"),
		"no burn-in":          bare(ingot.BurnInAnnotation),
		"pause":               annotation(metal3.PausedAnnotation, "test"),
		"resume":              bare(metal3.PausedAnnotation),
		"detach":              annotation(metal3.DetachedAnnotation, ""),
		"attach":              bare(metal3.DetachedAnnotation),
		"reboot":              annotation(metal3.RebootAnnotationPrefix, ""),
		"hard reboot":         annotation(metal3.RebootAnnotationPrefix, hardReboot()),
		"hold":                annotation(metal3.RebootAnnotationPrefix+"/k", ""),
		"let go":              bare(metal3.RebootAnnotationPrefix + "/k"),
		"inspect":             annotation(metal3.InspectAnnotationPrefix, ""),
		"user data":           spec(func(s *metal3.BareMetalHostSpec) { s.UserData = &corev1.SecretReference{Name: "user-data"} }),
		"data image":          (*world).dataImage,
		"no data image":       (*world).noDataImage,
		"wrong password":      func(w *world, m *machine) { w.setPassword(m, "wrong") },
		"right password":      func(w *world, m *machine) { w.setPassword(m, password(m.name, 1)) },
		"no secret":           (*world).deleteSecret,
		"press button":        func(_ *world, m *machine) { m.pressButton() },
		"lose record":         (*world).loseRecord,
		"lose hardware":       (*world).loseHardware,
		"crash":               func(w *world, _ *machine) { w.kill("the owner's hand") },
		"delete":              (*world).deleteHost,
		"external":            func(w *world, m *machine) { w.external(m, true) },
		"not external":        func(w *world, m *machine) { w.external(m, false) },
		"hours go by":         func(w *world, _ *machine) { w.jump() },
		"agent restarted":     func(_ *world, m *machine) { m.restartByItself() },
	}
}

func (w *world) kill(where string) {
	if p := w.process; p != nil {
		p.die(where)
	}
}

// restartByItself is a machine that loses its power and starts again with what its BMC is set to.
func (m *machine) restartByItself() {
	if m.bmc.Powered() {
		m.bmc.RebootByItself()
	}
}

// edit changes a host as a person would, on what stands there now.
func (w *world) edit(key types.NamespacedName, change func(*metal3.BareMetalHost)) {
	h := w.hostOf(key)
	if h == nil {
		return
	}
	h = h.DeepCopy()
	change(h)
	if err := w.store.Update(context.Background(), h); err != nil {
		w.wrong("edit %s: %v", key, err)
	}
}

func setAnnotation(h *metal3.BareMetalHost, name, value string) {
	metav1.SetMetaDataAnnotation(&h.ObjectMeta, name, value)
}

func (w *world) remove(o client.Object) {
	if err := w.store.Delete(context.Background(), o); err != nil && !apierrors.IsNotFound(err) {
		w.wrong("delete %s: %v", nameOf(o), err)
	}
}

func at(m *machine, suffix string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.key.Namespace, Name: m.name + suffix}
}

func (w *world) createHost(m *machine) {
	h := &metal3.BareMetalHost{ObjectMeta: at(m, ""), Spec: metal3.BareMetalHostSpec{
		Online: true, BootMACAddress: m.mac, BootMode: metal3.UEFI, AutomatedCleaningMode: metal3.CleaningModeMetadata,
		BMC: metal3.BMCDetails{Address: m.address, CredentialsName: m.name + "-bmc"},
	}}
	h.Labels = map[string]string{ingot.PartitionLabel: partitionName}
	if err := w.create(h); err != nil && w.hostOf(m.key) == nil {
		w.wrong("%v", err)
	}
}

// deleteHost deletes a host; some time after it is gone its owner makes it again, until the world is healed.
func (w *world) deleteHost(m *machine) {
	w.remove(&metal3.BareMetalHost{ObjectMeta: at(m, "")})
	if !m.returns {
		m.returns = true
		w.comeBack(m)
	}
}

func (w *world) comeBack(m *machine) {
	w.agenda.add(w.now().Add(w.between(time.Second, 5*time.Minute, "again "+m.name)), m.name, func() {
		switch {
		case w.ending:
		case w.hostOf(m.key) == nil:
			m.returns = false
			w.note(m.name, "OWNER makes the host again")
			w.createHost(m)
		default:
			w.comeBack(m)
		}
	})
}

func (w *world) external(m *machine, want bool) {
	h := w.hostOf(m.key)
	if h == nil {
		return
	}
	// Where Metal3's webhook lets it be set.
	s := h.Status.Provisioning.State
	if !want && s == metal3.StateExternallyProvisioned || want && (s == metal3.StateNone || s == metal3.StateAvailable) {
		w.edit(m.key, func(h *metal3.BareMetalHost) { h.Spec.ExternallyProvisioned = want })
	}
}

func (w *world) dataImage(m *machine) {
	if w.store.Object(idOf(w, &metal3.DataImage{ObjectMeta: at(m, "")})) == nil && w.hostOf(m.key) != nil {
		_ = w.create(&metal3.DataImage{ObjectMeta: at(m, ""), Spec: metal3.DataImageSpec{URL: dataISO}})
	}
}

func (w *world) noDataImage(m *machine) { w.remove(&metal3.DataImage{ObjectMeta: at(m, "")}) }

func (w *world) loseHardware(m *machine) { w.remove(&metal3.HardwareData{ObjectMeta: at(m, "")}) }

// loseRecord takes a host's memory away, as a restore without it does.
func (w *world) loseRecord(m *machine) { w.remove(&ingot.HostLifecycle{ObjectMeta: at(m, "")}) }

func password(name string, version int) string { return fmt.Sprintf("pw-%s-%d", name, version) }

func (w *world) createSecret(m *machine, version int) error {
	w.marks = append(w.marks, password(m.name, version))
	if text := "user-data-of-" + m.key.Namespace; !slices.Contains(w.marks, text) {
		w.marks = append(w.marks, text)
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.key.Namespace, Name: "user-data"}, Data: map[string][]byte{"userData": []byte("#cloud-config\n# " + text)}}
		if err := w.create(s); err != nil {
			return err
		}
	}
	return w.create(&corev1.Secret{ObjectMeta: at(m, "-bmc"), Data: credentials(password(m.name, version))})
}

func credentials(p string) map[string][]byte {
	return map[string][]byte{"username": []byte("admin"), "password": []byte(p)}
}

func (w *world) setPassword(m *machine, text string) {
	s := &corev1.Secret{ObjectMeta: at(m, "-bmc"), Data: credentials(text)}
	now := w.store.Object(idOf(w, s))
	if now == nil {
		_ = w.create(s)
		return
	}
	was, _ := now.DeepCopyObject().(*corev1.Secret)
	was.Data = s.Data
	if err := w.store.Update(context.Background(), was); err != nil {
		w.wrong("set the password of %s: %v", m.name, err)
	}
}

func (w *world) deleteSecret(m *machine) { w.remove(&corev1.Secret{ObjectMeta: at(m, "-bmc")}) }

func partition() *ingot.Partition {
	return &ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: partitionName}, Spec: ingot.PartitionSpec{ProvisioningNetwork: ingot.ProvisioningNetwork{
		CIDR: "10.9.0.0/24", RangeStart: "10.9.0.10", RangeEnd: "10.9.0.200", DHCPMode: ingot.DHCPServer, BootServer: "10.9.0.2",
	}}}
}

// names are the deeds in order, so that a seed always means the same ones.
func (o owner) names() []string { return slices.Sorted(maps.Keys(o)) }
