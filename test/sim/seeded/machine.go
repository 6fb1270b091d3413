package seeded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// machine is a server behind its BMC: the truth about disks and about what runs, which nothing but the agent's words brings into the objects.
type machine struct {
	w       *world
	key     types.NamespacedName
	name    string
	mac     string
	address string
	uuid    string
	bmc     *fake.BMC
	disks   []*disk

	// boots counts the boots; what belongs to an earlier one is over.
	boots atomic.Int64
	calls atomic.Int64
	agent *agent
	// runs is what the machine runs: "", "agent", "system", "live", "nothing".
	runs string
	// returns: its owner will make the host again.
	returns bool
	// offered: the host was available when it was last looked at.
	offered bool
	// proof is the UID of the record that had the proof of its wipe then.
	proof types.UID
	// state is the host's then. adopted: it came from externally provisioned, so that what the machine runs is whatever somebody else had it run.
	state   metal3.ProvisioningState
	adopted bool
	// chosen is the disk that the last agent chose.
	chosen string
	// drive is the config drive of the last image.
	drive []byte
}

// disk holds something: nothing, somebody's data, a part of an image, an image.
type disk struct {
	step.Disk
	content string
}

const agentMedia = mediaEndpoint + "/media/"

func (w *world) addMachine(name, namespace string) (*machine, error) {
	m := &machine{
		w: w, name: name, key: types.NamespacedName{Namespace: namespace, Name: name}, mac: fmt.Sprintf("52:54:00:00:00:%02x", len(w.machines)+1),
		address: "redfish-virtualmedia+https://" + name + ".test/redfish/v1/Systems/1", uuid: "uuid-of-" + name,
		disks: []*disk{
			{step.Disk{Name: "/dev/sda", SerialNumber: name + "-A", WWN: "0x" + name + "a", SizeBytes: 100 << 30, Type: "ssd"}, "somebody's data"},
			{step.Disk{Name: "/dev/sdb", SerialNumber: name + "-B", WWN: "0x" + name + "b", SizeBytes: 200 << 30, Type: "hdd", Rotational: true}, "more data"},
		},
	}
	config := fake.Config{
		Address: m.address, Username: "admin", Password: secret.New(password(name, 1)), Hardware: bmc.Hardware{UUID: m.uuid, Manufacturer: "Ingot"},
		OnBoot: func(b fake.Boot) {
			n := m.boots.Add(1)
			w.agenda.add(w.now(), m.name, func() { m.boot(n, b) })
			w.poke()
		},
	}
	config.RAID = fake.RAID{Storage: raidController(), Waits: w.chance(500, "volumes of "+name+" wait"), OnChange: m.seeVolumes}
	b, err := w.bmcs.Add(config)
	if err != nil {
		return nil, err
	}
	m.bmc = b
	b.OnCall(m.call)
	return m, w.createSecret(m, 1)
}

// call is what may happen to a call of the BMC before it is done.
func (m *machine) call(ctx context.Context, op string) error {
	w, f, what := m.w, m.w.faults, "bmc "+m.name
	m.calls.Add(1)
	latency := w.between(20*time.Millisecond, 1500*time.Millisecond, what)
	if w.chance(f.hang, what+" hang") {
		latency = 10 * time.Minute
	}
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return ctx.Err()
	}
	kinds := []struct {
		permille int
		kind     step.FailureKind
	}{{f.unreachable, step.Unreachable}, {f.busy, step.Busy}, {f.internal, step.Internal}}
	for _, k := range kinds {
		if w.chance(k.permille, what+" "+string(k.kind)) {
			return &bmc.Error{Op: op, Address: m.address, Kind: k.kind, Err: errors.New(seededFault)}
		}
	}
	if w.chance(f.bmcAnswerLost, what+" lost") {
		m.bmc.FailNext(fake.Fault{Op: op, Kind: step.Timeout, After: true})
	}
	if w.chance(f.stale, what+" stale") {
		m.bmc.StalePower(1 + w.below(3, what+" reads"))
	}
	return nil
}

// alive says whether the boot is still the machine's.
func (m *machine) alive(boot int64) bool { return m.bmc.Powered() && m.boots.Load() == boot }

// boot is the machine's firmware.
func (m *machine) boot(n int64, b fake.Boot) {
	if !m.alive(n) {
		return
	}
	w := m.w
	m.agent, m.runs = nil, "nothing"
	cd := b.Setting.Device == bmc.BootCD && b.Medium != ""
	ours := cd && strings.HasPrefix(b.Medium, agentMedia)
	switch {
	// Only an agent that does not come can be noticed.
	case ours && w.chance(w.faults.machineHangs, "boot "+m.name+" hangs"):
		w.note(m.name, "  machine hangs in its firmware")
	case ours && w.chance(w.faults.forget, "boot "+m.name):
		w.note(m.name, "  the BMC forgot what to boot")
		m.bootDisk(n)
	case ours:
		m.runs = "agent"
		w.note(m.name, "  machine boots the agent")
		w.agenda.add(w.now().Add(w.between(15*time.Second, 90*time.Second, "firmware "+m.name)), m.name, func() { m.startAgent(n, b.Medium) })
	case cd:
		m.runs = "live"
		w.note(m.name, "  machine boots %s", b.Medium)
		m.disks[0].content = "data of the live system"
	default:
		m.bootDisk(n)
	}
}

func (m *machine) bootDisk(n int64) {
	d := m.bootable()
	if d == nil {
		m.w.note(m.name, "  machine finds nothing to boot")
		return
	}
	m.runs = "system"
	m.w.note(m.name, "  machine boots %s from %s", d.content, d.Name)
	m.w.agenda.add(m.w.now().Add(m.w.between(30*time.Second, 3*time.Minute, "system "+m.name)), m.name, func() { m.report(n) })
}

// bootable is the disk with a whole image.
func (m *machine) bootable() *disk {
	i := slices.IndexFunc(m.disks, func(d *disk) bool { return strings.HasPrefix(d.content, imageOf("")) })
	if i < 0 {
		return nil
	}
	return m.disks[i]
}

// imageOf is what a disk holds with a whole image.
func imageOf(url string) string { return "image " + url }

// plain are the disks as the agent sees them.
func (m *machine) plain() []step.Disk {
	out := make([]step.Disk, 0, len(m.disks))
	for _, d := range m.disks {
		out = append(out, d.Disk)
	}
	return out
}

func (m *machine) disk(serial string) *disk {
	i := slices.IndexFunc(m.disks, func(d *disk) bool { return d.SerialNumber == serial })
	if i < 0 {
		return nil
	}
	return m.disks[i]
}

// contents are for messages.
func (m *machine) contents() string {
	var out []string
	for _, d := range m.disks {
		out = append(out, fmt.Sprintf("%s: %q", d.Name, d.content))
	}
	return strings.Join(out, ", ")
}

// pressButton is somebody at the machine.
func (m *machine) pressButton() {
	if m.bmc.Powered() {
		m.bmc.PowerOffByItself()
		return
	}
	m.bmc.RebootByItself()
}
