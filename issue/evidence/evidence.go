// Package evidence makes of objects the facts that package issue finds issues in.
//
// It owns the reading of hosts, their records and boot windows, partitions, reservations, Machines and networks. It refuses to fetch them and to judge them.
package evidence

import (
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/issue"
)

// Objects are all that there are of each kind. Windows and AddressRecords may be missing: not everybody may read them.
type Objects struct {
	survey.Facts
	Records    []ingot.HostLifecycle
	Partitions []ingot.Partition
	Networks   []ingot.Network
	IPs        []ingot.IP
	Images     []ingot.Image
	Sizes      []ingot.Size
	Windows    []ingot.BootWindow
	// AddressRecords are read before the IPs. Nil: nobody could look, since they are of all projects.
	AddressRecords []ingot.AddressRecord
}

// ByHost are the records by their hosts.
func (o Objects) ByHost() map[types.NamespacedName]*ingot.HostLifecycle {
	all := make(map[types.NamespacedName]*ingot.HostLifecycle, len(o.Records))
	for i := range o.Records {
		all[types.NamespacedName{Namespace: o.Records[i].Namespace, Name: o.Records[i].Name}] = &o.Records[i]
	}
	return all
}

// Facts are the objects as facts.
func Facts(o Objects) issue.Facts {
	f := issue.Facts{Sized: len(o.Sizes) > 0}
	claims := map[types.NamespacedName]*metal3.HostClaim{}
	for i := range o.Claims {
		claims[types.NamespacedName{Namespace: o.Claims[i].Namespace, Name: o.Claims[i].Name}] = &o.Claims[i]
	}
	records, windows := o.ByHost(), map[string]*ingot.BootWindow{}
	for i := range o.Windows {
		windows[o.Windows[i].Name] = &o.Windows[i]
	}
	for i := range o.Hosts {
		h := &o.Hosts[i]
		x := host(h, records[types.NamespacedName{Namespace: h.Namespace, Name: h.Name}], windows)
		x.Leaked, x.Copies = leaked(h, claims)
		f.Hosts = append(f.Hosts, x)
	}
	for i := range o.Partitions {
		p := &o.Partitions[i]
		x := issue.Partition{Name: p.Name, CreatedAt: p.CreationTimestamp.Time, Served: p.Status.AgentEndpoint != "" || p.Status.OperatorEndpoint != ""}
		if s := p.Status.BMCScan; s != nil {
			x.ScanProblem = s.Problem
		}
		f.Partitions = append(f.Partitions, x)
	}
	hosts := stock.Hosts(o.Facts, records)
	for _, r := range stock.Reservations(o.Facts) {
		used, free := capacity.Served(r, hosts)
		f.Reservations = append(f.Reservations, issue.Reservation{Name: r.Name, Size: r.Size, Amount: r.Amount, Used: used, Free: free})
	}
	f.Machines = machines(o)
	for i := range o.Networks {
		n := &o.Networks[i]
		f.Networks = append(f.Networks, network(n))
	}
	f.IPs = ips(o)
	return f
}

// leaked says for which claim a host is held that does not have it, and of which claim copies of Secrets may lie beside it.
func leaked(h *metal3.BareMetalHost, claims map[types.NamespacedName]*metal3.HostClaim) (host, copies string) {
	if key, claimed := survey.ClaimOf(h); claimed {
		host = survey.Lost(h, key, claims[key])
	}
	var all []string
	for _, key := range survey.Strays(h) {
		if why := survey.Stray(h, key, claims[key]); why != "" {
			all = append(all, why)
		}
	}
	return host, strings.Join(all, "; ")
}

func machines(o Objects) []issue.Machine {
	expires := map[string]time.Time{}
	for i := range o.Images {
		if at := o.Images[i].Spec.ExpiresAt; at != nil {
			expires[o.Images[i].Name] = at.Time
		}
	}
	var all []issue.Machine
	for i := range o.Machines {
		m := &o.Machines[i]
		x := issue.Machine{Name: m.Namespace + "/" + m.Name, Lost: m.Status.Phase == ingot.MachineLost}
		if c := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineHostCondition); c != nil {
			x.Why = c.Message
		}
		ready := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineReadyCondition)
		switch {
		case x.Lost:
		case ready == nil:
			x.Waits, x.WaitsFrom = "no controller has looked at it: see whether `ingot controller` runs", m.CreationTimestamp.Time
		case ready.Status != metav1.ConditionTrue:
			x.Waits, x.WaitsFrom = strings.TrimSpace(ready.Reason+": "+ready.Message), ready.LastTransitionTime.Time
		}
		if c := meta.FindStatusCondition(m.Status.Conditions, metal3.HealthyCondition); c != nil && c.Status == metav1.ConditionFalse {
			x.Unwell, x.UnwellFrom = strings.TrimSpace(c.Reason+" "+c.Message), c.LastTransitionTime.Time
		}
		if m.Status.Image != nil {
			x.Image, x.ExpiredAt = m.Status.Image.Name, expires[m.Status.Image.Name]
		}
		all = append(all, x)
	}
	return all
}

func host(h *metal3.BareMetalHost, l *ingot.HostLifecycle, windows map[string]*ingot.BootWindow) issue.Host {
	_, paused := h.Annotations[metal3.PausedAnnotation]
	_, detached := h.Annotations[metal3.DetachedAnnotation]
	x := issue.Host{
		Name: h.Namespace + "/" + h.Name, CreatedAt: h.CreationTimestamp.Time, State: string(h.Status.Provisioning.State), Partition: h.Labels[ingot.PartitionLabel], Size: h.Labels[ingot.SizeLabel],
		Left: paused || detached, Elsewhere: h.Spec.ExternallyProvisioned, BMCAddress: h.Spec.BMC.Address, BootMAC: strings.ToLower(h.Spec.BootMACAddress), Firmware: map[string]string{},
	}
	if d := h.Status.HardwareDetails; d != nil {
		x.Model = strings.TrimSpace(d.SystemVendor.Manufacturer + " " + d.SystemVendor.ProductName)
		x.Firmware["BIOS"] = d.Firmware.BIOS.Version
	}
	if l != nil {
		x.Recorded = true
		record(&x, &l.Status)
		if b := l.Status.Boot; b != nil {
			x.SilentSince = at(b.SilentSince)
			if w := windows[b.ID]; w != nil && w.Status.Refusal != nil {
				x.Refused, x.RefusedAt = w.Status.Refusal.Message, w.Status.Refusal.At.Time
			}
		}
	}
	return x
}

// record reads what the partition role wrote down.
func record(x *issue.Host, s *ingot.HostLifecycleStatus) {
	o := s.Outcome
	x.Outcome = issue.Outcome{Blocked: o.Kind == "blocked", Reason: o.Reason, Message: o.Message, Fix: o.Fix, Since: at(o.Since), Deadline: at(o.Deadline), NextAttempt: at(o.NextAttempt)}
	if f := s.Failure; f != nil {
		x.Failure = &issue.Failure{Kind: f.Kind, Message: f.Message, Fix: f.Fix, Count: int(f.Count), At: f.At.Time}
	}
	if f := s.ImageFailures; f != nil {
		x.ImageFailures, x.ImageMessage = int(f.Count), f.Message
	}
	for _, w := range s.Wipes {
		if w.Result == "failed" {
			x.FailedWipes = append(x.FailedWipes, issue.Wipe{Disk: strings.TrimSpace(w.DeviceName + " " + w.SerialNumber), Message: w.Message, At: w.FinishedAt.Time})
		}
	}
	if h := s.Health; h != nil {
		x.Health, x.HealthWhy, x.HealthSince = health.ParseLevel(h.Level), strings.Join(h.Causes, "; "), h.Since.Time
	}
	if b := s.BurnIn; b != nil && b.Result == "failed" {
		x.BurnIn, x.BurnInAt = b.Message, at(b.FinishedAt)
	}
	if h := s.Hardware; h != nil {
		x.InspectedAt = h.InspectedAt.Time
	}
	if b := s.BMC; b != nil {
		if b.ServiceUUID != "" {
			x.BMC = strings.ToLower(b.ServiceUUID) + " " + b.SystemID
		}
		x.Firmware["BMC"] = b.FirmwareVersion
	}
	if n := len(s.Timeline); n > 0 {
		if e := s.Timeline[n-1]; e.Result == "failed" {
			x.LastFailed, x.LastFailedAt = strings.TrimSpace(e.Stage+" "+e.Step)+": "+e.Message, at(e.EndedAt)
		}
	}
}

func at(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
