// Package fleet fills an API server with hosts for benchmarks: what an inspection and a wipe leave of a machine with four disks and four NICs. It refuses to measure.
package fleet

import (
	"context"
	"fmt"
	"sync"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

const (
	// Namespace is where the hosts are.
	Namespace = "fleet"
	// writers are how many hosts are made at once, parts the disks and NICs of each, steps the entries of its timeline,
	// teams the projects.
	writers, parts, steps, teams = 16, 4, 12, 20
)

// Fill makes the hosts.
func Fill(ctx context.Context, admin *rest.Config, hosts int) error {
	scheme, err := session.Scheme()
	if err != nil {
		return err
	}
	k, err := client.New(admin, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	if err := k.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}); err != nil {
		return fmt.Errorf("make the namespace: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan int)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := range work {
				if err := write(ctx, k, i); err != nil {
					cancel(fmt.Errorf("make host %d: %w", i, err))
				}
			}
		})
	}
	for i := range hosts {
		work <- i
	}
	close(work)
	all.Wait()
	return context.Cause(ctx)
}

func write(ctx context.Context, k client.Client, i int) error {
	h := machine(i)
	l := record(h)
	hostStatus, lifeStatus := h.Status, l.Status
	for _, o := range []client.Object{h, l} {
		if err := k.Create(ctx, o); err != nil {
			return err
		}
	}
	h.Status, l.Status = hostStatus, lifeStatus
	for _, o := range []client.Object{h, l} {
		if err := k.Status().Update(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// machine is a host after its inspection; every third one has a system.
func machine(i int) *metal3.BareMetalHost {
	const rack, third = 40, 3
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: fmt.Sprintf("rack%d-%d", i/rack, i%rack), Labels: map[string]string{ingot.PartitionLabel: "east", ingot.SizeLabel: "c1"}}}
	h.Spec.BMC = metal3.BMCDetails{Address: fmt.Sprintf("redfish-virtualmedia://10.0.%d.%d/redfish/v1/Systems/1", i/256, i%256), CredentialsName: "bmc"}
	h.Spec.Online = true
	h.Status.Provisioning.State, h.Status.OperationalStatus = metal3.StateAvailable, metal3.OperationalStatusOK
	if i%third == 0 {
		h.Status.Provisioning.State = metal3.StateProvisioned
		h.Status.PoweredOn = true
		h.Spec.ConsumerRef = &corev1.ObjectReference{APIVersion: ingot.GroupVersion.String(), Kind: "Machine", Namespace: fmt.Sprintf("team%d", i%teams), Name: fmt.Sprintf("web-%d", i)}
	}
	d := &metal3.HardwareDetails{Hostname: h.Name, RAMMebibytes: 512 << 10}
	d.SystemVendor = metal3.HardwareSystemVendor{Manufacturer: "ACME", ProductName: "X1", SerialNumber: fmt.Sprint(i)}
	d.CPU = metal3.CPU{Arch: "x86_64", Model: "ACME 9000", Count: 128, Flags: []string{"aes", "avx", "avx2", "avx512f", "sse4_2", "vmx"}}
	for n := range parts {
		d.Storage = append(d.Storage, metal3.Storage{Name: fmt.Sprintf("/dev/disk/by-path/pci-0000:%02x:00.0-nvme-1", n), SizeBytes: 4e12, SerialNumber: fmt.Sprintf("S%d-%d", i, n), Model: "NVME 4T",
			WWN: fmt.Sprintf("eui.%016x", i*parts+n), Type: metal3.NVME})
		d.NIC = append(d.NIC, metal3.NIC{Name: fmt.Sprintf("eth%d", n), MAC: fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", i>>16, i>>8&255, i&255, n), Model: "0x8086 0x1592", SpeedGbps: 100, IP: "10.1.2.3"})
	}
	h.Status.HardwareDetails = d
	return h
}

// record is what was done with a host.
func record(h *metal3.BareMetalHost) *ingot.HostLifecycle {
	at := metav1.Now()
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: h.Namespace, Name: h.Name, Labels: map[string]string{ingot.PartitionLabel: "east"}}}
	l.Status = ingot.HostLifecycleStatus{Stage: string(h.Status.Provisioning.State), Outcome: ingot.OutcomeStatus{Kind: "wait", Reason: "Available", Message: "clean, and nobody asks for it", Since: &at}, CleanedAt: &at,
		Health: &ingot.HealthStatus{Level: "ok", Since: at}}
	for _, s := range h.Status.HardwareDetails.Storage {
		l.Status.Wipes = append(l.Status.Wipes, ingot.WipeRecord{DeviceName: s.Name, SerialNumber: s.SerialNumber, SizeBytes: int64(s.SizeBytes), Method: "discard+metadata", StartedAt: at, FinishedAt: at,
			Verification: "256 blocks read back", Result: "clean"})
	}
	for n := range steps {
		l.Status.Timeline = append(l.Status.Timeline, ingot.TimelineEntry{Stage: "inspecting", Step: fmt.Sprintf("step-%d", n), StartedAt: at, EndedAt: &at, Result: "ok", Message: "as it should be"})
	}
	return l
}
