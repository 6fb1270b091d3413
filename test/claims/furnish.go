package claims

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
)

// What the site's things are called.
const (
	tenant    = "acme"
	size      = "c1"
	partition = "fra"
	image     = "debian-12"
	network   = "lan"
	// rackOf is how many hosts a rack has.
	rackOf = 40
	makers = 16
	// short is how many addresses fewer than machines the projects may have whose Quota is of addresses.
	short = 3
)

func project(i int) string { return fmt.Sprintf("project-%d", i) }

// shares are how many machines each project may have: all hosts, evenly.
func (r *race) shares() []int {
	all := make([]int, projects)
	for i := range r.Machines {
		all[i%projects]++
	}
	return all
}

// quotas are the bounds by what they hold for: the project, or the tenant as a whole.
func (r *race) quotas() map[string]int {
	all := map[string]int{tenant: r.Machines}
	for i, most := range r.shares() {
		all[project(i)] = most
	}
	return all
}

// addressQuotas bound the addresses of two projects, so that some of their machines go without: of one all together, of the other those of IPv4.
func (r *race) addressQuotas() map[string]ingot.AddressQuota {
	shares := r.shares()
	most := func(p int) *int32 { return ptr.To(int32(shares[p] - short)) } // some hundreds
	return map[string]ingot.AddressQuota{project(1): {Total: most(1)}, project(2): {IPv4: most(2)}}
}

// addressBounds are the numbers of addressQuotas: all addresses of a race are IPv4.
func (r *race) addressBounds() map[string]int {
	all := map[string]int{}
	for namespace, q := range r.addressQuotas() {
		all[namespace] = int(*cmp.Or(q.Total, q.IPv4))
	}
	return all
}

// bound is how many machines get hosts in the end: all that may, but for those that get no address.
func (r *race) bound() int { return r.Machines - r.unaddressed() }

// unaddressed is how many machines are beyond the quotas of addresses.
func (r *race) unaddressed() int { return short * len(r.addressQuotas()) }

// furnish makes projects of one tenant with quotas, a network that all share, an image, and the hosts.
func (r *race) furnish(ctx context.Context) error {
	all := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.racks}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant, Labels: map[string]string{ingot.TenantLabel: tenant}}},
		&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: r.racks, Name: "tenants"},
			Spec: metal3.HostDeployPolicySpec{HostClaimNamespaces: &metal3.HostClaimNamespaces{HasLabels: []metal3.NameValuePair{{Name: ingot.TenantLabel, Value: tenant}}}}},
		&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: r.racks, Name: network}, Spec: ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{"10.64.0.0/16"}, Gateways: []string{"10.64.0.1"}}},
		&ingot.Size{ObjectMeta: metav1.ObjectMeta{Name: size}, Spec: ingot.SizeSpec{Constraints: []ingot.SizeConstraint{
			{Type: ingot.SizeCores, Min: ptr.To(resource.MustParse("16")), Max: ptr.To(resource.MustParse("16"))}, {Type: ingot.SizeMemory, Min: ptr.To(resource.MustParse("60Gi")), Max: ptr.To(resource.MustParse("64Gi"))},
			{Type: ingot.SizeDisks, MinCount: ptr.To(int32(1)), MaxCount: ptr.To(int32(1))}}}},
		&ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: image + ".1"}, Spec: ingot.ImageSpec{OS: "debian", Version: "12.1", URL: "https://images.test/a", Format: ingot.ImageRaw,
			Digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Classification: ingot.ImageSupported, Features: []ingot.ImageFeature{ingot.ImageForMachine}}},
	}
	for p := range projects {
		all = append(all, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: project(p), Labels: map[string]string{ingot.TenantLabel: tenant, ingot.ProjectLabel: project(p)}}})
	}
	for namespace, most := range r.quotas() {
		q := &ingot.Quota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "q"}, Spec: ingot.QuotaSpec{Machines: ptr.To(int32(most))}} // some thousands
		if a, bounded := r.addressQuotas()[namespace]; bounded {
			q.Spec.Addresses = &a
		}
		all = append(all, q)
	}
	for _, o := range all {
		if err := r.admin.Create(ctx, o); err != nil {
			return fmt.Errorf("create %T %s: %w", o, o.GetName(), err)
		}
	}
	names := make([]string, r.Machines)
	for i := range names {
		names[i] = fmt.Sprintf("h%05d", i)
	}
	return each(ctx, names, makers, r.host)
}

// host makes an available one whose wipe is proved, as the partition role leaves it.
func (r *race) host(ctx context.Context, name string) error {
	number, err := strconv.Atoi(name[1:])
	if err != nil {
		return err
	}
	// What the inspection found: the controllers give a host its size by it.
	hardware := &metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{Namespace: r.racks, Name: name}, Spec: metal3.HardwareDataSpec{HardwareDetails: &metal3.HardwareDetails{
		CPU: metal3.CPU{Count: 16, Model: "EPYC"}, RAMMebibytes: 64 << 10, Storage: []metal3.Storage{{Name: "/dev/sda", Type: metal3.SSD, SizeBytes: 480e9}}}}}
	if err := r.admin.Create(ctx, hardware); err != nil {
		return err
	}
	h := &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.racks, Name: name, Labels: map[string]string{ingot.PartitionLabel: partition, ingot.SizeLabel: size, survey.FailureDomainLabel: fmt.Sprintf("rack-%d", number/rackOf)}},
		Spec: metal3.BareMetalHostSpec{AutomatedCleaningMode: metal3.CleaningModeMetadata, BootMACAddress: fmt.Sprintf("52:54:00:00:%02x:%02x", number/256, number%256),
			BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/" + name, CredentialsName: "bmc"}},
	}
	if err := r.admin.Create(ctx, h); err != nil {
		return err
	}
	h.Status.Provisioning.State, h.Status.OperationalStatus = metal3.StateAvailable, metal3.OperationalStatusOK
	if err := r.admin.Status().Update(ctx, h); err != nil {
		return err
	}
	if err := r.admin.Create(ctx, &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: r.racks, Name: name}}); err != nil {
		return err
	}
	return r.record(ctx, name, true)
}

// record writes whether the wipe of a host is proved.
func (r *race) record(ctx context.Context, name string, clean bool) error {
	l := &ingot.HostLifecycle{}
	if err := r.admin.Get(ctx, client.ObjectKey{Namespace: r.racks, Name: name}, l); err != nil {
		return err
	}
	l.Status.CleanedAt = nil
	if clean {
		l.Status.CleanedAt = ptr.To(metav1.Now())
	}
	return r.admin.Status().Update(ctx, l)
}
