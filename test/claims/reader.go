package claims

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// networkReady says whether addresses can be given.
func (r *race) networkReady(ctx context.Context) error {
	n := &ingot.Network{}
	if err := r.admin.Get(ctx, client.ObjectKey{Namespace: r.racks, Name: network}, n); err != nil {
		return err
	}
	if !meta.IsStatusConditionTrue(n.Status.Conditions, ingot.ReadyCondition) {
		return fmt.Errorf("network %s: %+v", network, n.Status)
	}
	return nil
}

// standing is all that the API server has, read at once and by itself: not by way of the witness.
type standing struct {
	machines []ingot.Machine
	hosts    []metal3.BareMetalHost
	ips      []ingot.IP
}

func (r *race) read(ctx context.Context) (standing, error) {
	var machines ingot.MachineList
	var hosts metal3.BareMetalHostList
	var ips ingot.IPList
	for _, l := range []client.ObjectList{&machines, &hosts, &ips} {
		if err := r.admin.List(ctx, l); err != nil {
			return standing{}, err
		}
	}
	return standing{machines.Items, hosts.Items, ips.Items}, nil
}

// settled says whether every machine that may have a host has one of its own, with an address of its own, and is installed; and whether those beyond a quota wait and say why.
func (r *race) settled(ctx context.Context) error {
	s, err := r.read(ctx)
	if err != nil {
		return err
	}
	machines, waiting, unaddressed := map[string]*ingot.Machine{}, 0, map[string]int{}
	for i := range s.machines {
		m := &s.machines[i]
		machines[m.Namespace+"/"+m.Name] = m
		most := r.quotas()[m.Namespace]
		x := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineHostCondition)
		switch {
		case m.Status.Phase == ingot.MachineWaiting && x != nil && strings.Contains(x.Message, fmt.Sprintf("holds %d of %d", most, most)):
			waiting++
		case m.Status.Host == nil && saysNoAddress(m, r.addressBounds()):
			unaddressed[m.Namespace]++
		case m.Status.Phase != ingot.MachineReady || m.Status.Host == nil:
			return fmt.Errorf("machine %s/%s is %q: %+v", m.Namespace, m.Name, m.Status.Phase, m.Status.Conditions)
		}
	}
	if waiting != beyond || len(machines) != r.Machines+beyond {
		return fmt.Errorf("%d of %d machines wait, %d should", waiting, len(machines), beyond)
	}
	for namespace := range r.addressBounds() {
		if unaddressed[namespace] != short {
			return fmt.Errorf("%d machines of %s say that they get no address, %d should", unaddressed[namespace], namespace, short)
		}
	}
	free := 0
	for i := range s.hosts {
		h := &s.hosts[i]
		ref := h.Spec.ConsumerRef
		if ref == nil {
			free++
			continue
		}
		m := machines[ref.Namespace+"/"+ref.Name]
		if m == nil || m.Status.Host == nil || m.Status.Host.Name != h.Name {
			return fmt.Errorf("host %s names %s/%s, which does not have it", h.Name, ref.Namespace, ref.Name)
		}
	}
	if free != r.unaddressed() {
		return fmt.Errorf("%d hosts are nobody's, %d should be", free, r.unaddressed())
	}
	return addressed(machines, s.ips, r.addressBounds())
}

// saysNoAddress says whether a machine waits for an address beyond its project's quota, and says so.
func saysNoAddress(m *ingot.Machine, bounds map[string]int) bool {
	most, bounded := bounds[m.Namespace]
	x := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineAddressesCondition)
	return bounded && x != nil && x.Status == metav1.ConditionFalse && x.Reason == ingot.ReasonQuotaExceeded && strings.Contains(x.Message, quotaWords(m.Namespace, most))
}

// quotaWords are what a machine says that gets no address.
func quotaWords(namespace string, most int) string {
	return fmt.Sprintf("Quota %s/q allows %d addresses and", namespace, most)
}

// explained has `ingot machine explain` say of one machine of each project with too few addresses why it has none.
func (r *race) explained(ctx context.Context) error {
	s, err := r.read(ctx)
	if err != nil {
		return err
	}
	bounds := r.addressBounds()
	for i := range s.machines {
		m := &s.machines[i]
		if !saysNoAddress(m, r.addressBounds()) || bounds[m.Namespace] == 0 {
			continue
		}
		c := exec.CommandContext(ctx, filepath.Join(r.Programs, "ingot"), "machine", "explain", m.Name, "--namespace", m.Namespace, "--kubeconfig", filepath.Join(r.Server.DataDir, "admin.kubeconfig")) // the program that was just built
		out, err := c.CombinedOutput()
		if words := quotaWords(m.Namespace, bounds[m.Namespace]); err != nil || !strings.Contains(string(out), words) {
			return fmt.Errorf("ingot machine explain %s does not say %q: %w\n%s", m.Name, words, err, out)
		}
		bounds[m.Namespace] = 0
	}
	return nil
}

// addressed says whether every machine has one address, the one of its IP, and no two the same; those beyond a quota of addresses have none.
func addressed(machines map[string]*ingot.Machine, ips []ingot.IP, bounds map[string]int) error {
	given, users := map[string]string{}, map[string]string{}
	for i := range ips {
		given[ips[i].Namespace+"/"+ips[i].Name] = ips[i].Status.Address
	}
	for key, m := range machines {
		if saysNoAddress(m, bounds) && len(m.Status.Addresses) == 0 {
			continue
		}
		if len(m.Status.Addresses) != 1 {
			return fmt.Errorf("machine %s has the addresses %v", key, m.Status.Addresses)
		}
		a := m.Status.Addresses[0]
		if a.Address == "" || given[m.Namespace+"/"+a.IP] != a.Address {
			return fmt.Errorf("machine %s says %s, and its IP %s has %q", key, a.Address, a.IP, given[m.Namespace+"/"+a.IP])
		}
		if other := users[a.Address]; other != "" {
			return fmt.Errorf("%s is both %s's and %s's", a.Address, other, key)
		}
		users[a.Address] = key
	}
	if len(ips) != len(machines) {
		return fmt.Errorf("%d IPs for %d machines", len(ips), len(machines))
	}
	return nil
}

// empty says whether nothing is left of what was given back: no machine, claim, IP or Secret, no address in a record, and no host that names anybody.
func (r *race) empty(ctx context.Context) error {
	var problems []error
	for _, l := range []client.ObjectList{&ingot.MachineList{}, &metal3.HostClaimList{}, &ingot.IPList{}} {
		if err := r.admin.List(ctx, l); err != nil {
			return err
		}
		if n := meta.LenList(l); n > 0 {
			problems = append(problems, fmt.Errorf("%d of %T are left", n, l))
		}
	}
	var secrets corev1.SecretList
	if err := r.admin.List(ctx, &secrets); err != nil {
		return err
	}
	if n := len(slices.DeleteFunc(secrets.Items, func(s corev1.Secret) bool { return s.Type != "ingot.dev/hostclaim" })); n > 0 {
		problems = append(problems, fmt.Errorf("%d copied Secrets are left", n))
	}
	var records ingot.AddressRecordList
	if err := r.admin.List(ctx, &records); err != nil {
		return err
	}
	held := 0
	for i := range records.Items {
		for _, a := range records.Items[i].Spec.Addresses {
			if a.Until == nil {
				held++
			}
		}
	}
	if held > 0 {
		problems = append(problems, fmt.Errorf("%d addresses are recorded as held", held))
	}
	var hosts metal3.BareMetalHostList
	if err := r.admin.List(ctx, &hosts); err != nil {
		return err
	}
	for i := range hosts.Items {
		if h := &hosts.Items[i]; h.Spec.ConsumerRef != nil || h.Spec.Image != nil || h.Status.Provisioning.State != metal3.StateAvailable {
			problems = append(problems, fmt.Errorf("host %s is not free: %+v", h.Name, h.Spec.ConsumerRef))
			break
		}
	}
	return errors.Join(problems...)
}

// phases says what the machines are at, for who reads why a race was not over in time.
func (r *race) phases(ctx context.Context) string {
	s, err := r.read(context.WithoutCancel(ctx))
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	counts := map[ingot.MachinePhase]int{}
	for i := range s.machines {
		m := &s.machines[i]
		if counts[m.Status.Phase]++; counts[m.Status.Phase] <= 2 {
			fmt.Fprintf(&b, "%s/%s is %q, deleted %t: %+v\n", m.Namespace, m.Name, m.Status.Phase, !m.DeletionTimestamp.IsZero(), m.Status.Conditions)
		}
	}
	fmt.Fprintf(&b, "machines by phase: %v; %d IPs\n", counts, len(s.ips))
	return b.String()
}
