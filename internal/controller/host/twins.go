package host

import (
	"context"
	"fmt"
	"strings"
	"sync"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/hardware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// Two hosts that mean one machine are the shortest way to a wiped disk: a copied manifest with the BMC's address or the MAC of a machine that runs somebody's system is a valid
// new host, and new hosts are cleaned. So a machine belongs to the host that had it first, and a MAC that two hosts claim boots neither.

// machines are the machines whose BMC accepted a host in this process: the record says so only after the next look, and two hosts may be verified at the same time.
type machines struct {
	mu     sync.Mutex
	holder map[string]holder
}

type holder struct {
	key types.NamespacedName
	uid types.UID
}

func newMachines() *machines { return &machines{holder: map[string]holder{}} }

// take gives the machine to a host unless another one has it for which stands is true; then it names that one.
func (m *machines) take(machine string, h holder, stands func(holder) bool) (other types.NamespacedName, taken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now, known := m.holder[machine]; known && now.uid != h.uid && stands(now) {
		return now.key, true
	}
	m.holder[machine] = h
	return types.NamespacedName{}, false
}

// machineOfAnother is a failure when the machine that a BMC was found to have is another host's. A host that was let in before stays in.
func (r *Reconciler) machineOfAnother(ctx context.Context, host *metal3.BareMetalHost, before, found *ingot.BMCStatus) (*step.Failure, error) {
	is := *found
	if is.Address == "" {
		is.Address = host.Spec.BMC.Address
	}
	machine := machineName(is)
	if before != nil && machineName(*before) == machine {
		return nil, nil
	}
	var all ingot.HostLifecycleList
	if err := r.index.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list HostLifecycles: %w", err)
	}
	records := map[types.UID]*ingot.BMCStatus{}
	for i := range all.Items {
		l := &all.Items[i]
		owner := metav1.GetControllerOf(l)
		if owner == nil || owner.UID == host.UID {
			continue
		}
		records[owner.UID] = l.Status.BMC
		if l.Status.BMC != nil && machineName(*l.Status.BMC) == machine && r.isThere(ctx, holder{keyOf(l), owner.UID}) {
			return twin(is, keyOf(l)), nil
		}
	}
	other, taken := r.machines.take(machine, holder{keyOf(host), host.UID}, func(h holder) bool {
		b := records[h.uid]
		return (b == nil || machineName(*b) == machine) && r.isThere(ctx, h)
	})
	if taken {
		return twin(is, other), nil
	}
	return nil, nil
}

func (r *Reconciler) isThere(ctx context.Context, h holder) bool {
	host := &metal3.BareMetalHost{}
	err := r.index.Get(ctx, h.key, host)
	// What cannot be read counts as there.
	return client.IgnoreNotFound(err) != nil || err == nil && host.UID == h.uid
}

func twin(b ingot.BMCStatus, other types.NamespacedName) *step.Failure {
	return &step.Failure{
		Kind:    step.Invalid,
		Message: fmt.Sprintf("the machine at %s (UUID %q) is the host %s already: nothing is done to a machine for two hosts", b.Address, b.SystemUUID, other),
		Fix:     "correct spec.bmc.address, or delete one of the two hosts",
	}
}

// machineName tells machines apart: by the UUID, or by the place at its BMC where the UUID says nothing.
func machineName(b ingot.BMCStatus) string {
	if uuid := strings.ToLower(b.SystemUUID); uuid != "" && !placeholder(uuid) {
		return "uuid " + uuid
	}
	address := b.Address
	if a, err := bmc.ParseAddress(address); err == nil {
		address = a.HostPort()
	}
	return "bmc " + address + " " + b.SystemID
}

// placeholder: UUIDs that boards carry which were never given one: one digit over and over, and the two of AMI's firmware.
func placeholder(uuid string) bool {
	digits := strings.ReplaceAll(uuid, "-", "")
	return strings.Trim(digits, digits[:min(1, len(digits))]) == "" ||
		uuid == "03000200-0400-0500-0006-000700080009" || uuid == "00020003-0004-0005-0006-000700080009"
}

// windowMACs are the MAC addresses that a host's window answers to. Those that other hosts have too are left out (network cards of BMCs come with one address for all); the one that
// the host boots from must be its own.
func (r *Reconciler) windowMACs(ctx context.Context, host *metal3.BareMetalHost, known []string) ([]string, *step.Failure, error) {
	foreign, err := r.foreignMACs(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	boot := strings.ToLower(host.Spec.BootMACAddress)
	var out []string
	for _, mac := range known {
		other, shared := foreign[mac]
		switch {
		case !shared:
			out = append(out, mac)
		case mac == boot:
			return nil, &step.Failure{
				Kind:    step.Invalid,
				Message: fmt.Sprintf("the boot MAC address %s is also one of host %s: the wrong machine could boot", mac, other),
				Fix:     "delete the host whose spec.bootMACAddress is wrong and create it again; if the network card was moved here, have the other host inspected again",
			}, nil
		}
	}
	return out, nil, nil
}

// foreignMACs are the MAC addresses that other hosts boot from, or were found to have, and whose they are.
func (r *Reconciler) foreignMACs(ctx context.Context, host *metal3.BareMetalHost) (map[string]types.NamespacedName, error) {
	var hosts metal3.BareMetalHostList
	var found metal3.HardwareDataList
	if err := r.index.List(ctx, &hosts, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	if err := r.index.List(ctx, &found, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list HardwareData: %w", err)
	}
	there := map[types.NamespacedName]*metal3.BareMetalHost{}
	out := map[string]types.NamespacedName{}
	for i := range hosts.Items {
		h := &hosts.Items[i]
		there[keyOf(h)] = h
		if h.UID != host.UID && h.Spec.BootMACAddress != "" {
			out[strings.ToLower(h.Spec.BootMACAddress)] = keyOf(h)
		}
	}
	for i := range found.Items {
		d := &found.Items[i]
		h := there[keyOf(d)]
		if h == nil || h.UID == host.UID || hardware.OfEarlierHost(d, h) || d.Spec.HardwareDetails == nil {
			continue
		}
		for _, n := range d.Spec.HardwareDetails.NIC {
			out[strings.ToLower(n.MAC)] = keyOf(d)
		}
	}
	return out, nil
}
