package capm3_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

const deployment = "md-blue"

// newMachine makes a Metal3Machine and its bootstrap data.
func newMachine(ctx context.Context, t *testing.T, s *site.Site, name string, owner client.Object) machine {
	t.Helper()
	m := machine{
		namespace: namespace, name: name, cluster: "blue", selector: client.MatchingLabels{"role": "worker"}, userData: name + "-bootstrap",
		image: metal3.Image{URL: s.ImageURL, Checksum: s.ImageDigest, ChecksumType: metal3.SHA256},
	}
	raw := "raw"
	m.image.DiskFormat = &raw
	u := object(infrastructure, "Metal3Machine", name, owner, map[string]any{})
	create(ctx, t, s.Client, u)
	controls := true
	create(ctx, t, s.Client, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: m.userData, Labels: map[string]string{clusterLabel: m.cluster},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: infrastructure, Kind: "Metal3Machine", Name: name, UID: u.GetUID(), Controller: &controls}},
		},
		Type: clusterSecret, Data: map[string][]byte{"value": []byte("#cloud-config\nhostname: " + name + "\n"), "format": []byte("cloud-config")},
	})
	return m
}

// order finds a Metal3Machine a host and says what it is to run.
func order(ctx context.Context, t *testing.T, s *site.Site, m machine, address string) *metal3.BareMetalHost {
	t.Helper()
	p := provider{client: s.Client}
	until(ctx, t, "a host for "+m.name, func(ctx context.Context) error { return p.associate(ctx, m) })
	must(t, p.render(ctx, m, address))
	must(t, p.update(ctx, m))
	h, err := p.hostOf(ctx, m)
	must(t, err)
	return h
}

// deploy takes a Metal3Machine to a running machine, and gives its host.
func deploy(ctx context.Context, t *testing.T, s *site.Site, m machine, address string) *metal3.BareMetalHost {
	t.Helper()
	p := provider{client: s.Client}
	h := awaitState(ctx, t, s, order(ctx, t, s, m, address).Name, metal3.StateProvisioned)
	until(ctx, t, m.name+" is on", func(ctx context.Context) (err error) {
		if h, err = p.hostOf(ctx, m); err == nil && !h.Status.PoweredOn {
			err = errors.New("it is off")
		}
		return err
	})
	return h
}

// withdraw takes a machine away, and gives its host as it is offered again.
func withdraw(ctx context.Context, t *testing.T, s *site.Site, m machine) *metal3.BareMetalHost {
	t.Helper()
	p := provider{client: s.Client}
	name := ""
	until(ctx, t, m.name+" is released", func(ctx context.Context) error {
		h, err := p.hostOf(ctx, m)
		if err != nil {
			return err
		}
		name = h.Name
		return p.release(ctx, m)
	})
	u, err := p.object(ctx, m)
	must(t, err)
	must(t, s.Client.Delete(ctx, u))
	return awaitState(ctx, t, s, name, metal3.StateAvailable)
}

// A cluster's machines come, are restarted by remediation, and go; one comes back to the host that was kept for it.
func TestMachinesOfACluster(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 2}})
	// Both ways in which operators keep hosts for Cluster API: running, and off.
	enrol(ctx, t, s, func(i int, h *metal3.BareMetalHost) { h.Spec.Online = i == 0 })
	defineMachines(ctx, t, s.Client)

	first, second := newMachine(ctx, t, s, "w-0", nil), newMachine(ctx, t, s, "w-1", nil)
	first.reuse, first.cleaning, second.cleaning = deployment, metal3.CleaningModeMetadata, metal3.CleaningModeDisabled
	hosts := map[string]*metal3.BareMetalHost{}
	for i, m := range []machine{first, second} {
		hosts[m.name] = deploy(ctx, t, s, m, fmt.Sprintf("192.0.2.%d", 10+i))
		checkMachine(t, s, hosts[m.name], m, fmt.Sprintf("192.0.2.%d", 10+i))
	}
	if hosts[first.name].Name == hosts[second.name].Name {
		t.Fatalf("both machines got host %s", hosts[first.name].Name)
	}
	remediate(ctx, t, s, first)
	checkScaledDown(ctx, t, s, first, second, hosts)

	// The host that was kept is taken by the next machine of the deployment, though the other one is free too.
	third := newMachine(ctx, t, s, "w-2", nil)
	third.reuse = deployment
	again := deploy(ctx, t, s, third, "192.0.2.12")
	if _, kept := again.Labels[nodeReuseLabel]; again.Name != hosts[first.name].Name || kept {
		t.Errorf("the next machine got host %s with the labels %v, and %s was kept for it", again.Name, again.Labels, hosts[first.name].Name)
	}
	checkMachine(t, s, again, third, "192.0.2.12")

	// With fast track CAPM3 asks for the host to stay on.
	third.reuse, third.fastTrack = "", true
	if h := withdraw(ctx, t, s, third); !h.Spec.Online || h.Status.ErrorMessage != "" || !isCleanHost(t, s, h) {
		t.Errorf("host %s is offered again: online %v, error %q, clean %v", h.Name, h.Spec.Online, h.Status.ErrorMessage, isCleanHost(t, s, h))
	}
	checkTakenBackMidway(ctx, t, s, again.Name)
	for _, overlap := range s.Lab.Journal.Overlaps() {
		t.Error(overlap)
	}
}

// checkMachine looks at a machine as CAPM3, its user and its system see it.
func checkMachine(t *testing.T, s *site.Site, h *metal3.BareMetalHost, m machine, address string) {
	t.Helper()
	hardware := h.Status.HardwareDetails
	if hardware == nil || len(hardware.NIC) == 0 || hardware.NIC[0].MAC == "" || len(addresses(h)) == 0 {
		t.Fatalf("host %s tells too little for addresses and data templates: %+v", h.Name, hardware)
	}
	if h.Status.ErrorMessage != "" || h.Status.Provisioning.Image.URL != m.image.URL || h.Labels["rack"] != "r7" || h.Labels[clusterLabel] != m.cluster {
		t.Errorf("host %s: error %q, image %q, labels %v", h.Name, h.Status.ErrorMessage, h.Status.Provisioning.Image.URL, h.Labels)
	}
	if owner := metav1.GetControllerOf(h); owner == nil || owner.Kind != "Metal3Machine" || owner.Name != m.name {
		t.Errorf("host %s has the owners %+v", h.Name, h.OwnerReferences)
	}
	disk := labMachine(t, s, h.Name).Disks[0].Path
	if !holdsImage(t, s, disk) || !s.Lab.Machine(h.Name).Powered() {
		t.Errorf("host %s does not run the image", h.Name)
	}
	var meta map[string]string
	must(t, json.Unmarshal(onConfigDrive(t, disk, "/openstack/latest/meta_data.json"), &meta))
	for key, want := range map[string]string{
		"providerid": m.namespace + "/" + h.Name + "/" + m.name, "local-hostname": m.name, "metal3-name": h.Name, "metal3-namespace": m.namespace, "mac": hardware.NIC[0].MAC, "rack": "r7",
		"uuid": string(h.UID),
	} {
		if meta[key] != want {
			t.Errorf("host %s: meta_data.json has %s=%q, want %q", h.Name, key, meta[key], want)
		}
	}
	var network struct {
		Links []struct {
			MAC string `json:"ethernet_mac_address"`
		}
		Networks []struct {
			Address string `json:"ip_address"`
		}
		Services []struct{ Type, Address string }
	}
	must(t, json.Unmarshal(onConfigDrive(t, disk, "/openstack/latest/network_data.json"), &network))
	if len(network.Links) != 1 || network.Links[0].MAC != hardware.NIC[0].MAC || len(network.Networks) != 1 || network.Networks[0].Address != address || len(network.Services) != 1 {
		t.Errorf("host %s: network_data.json is %+v", h.Name, network)
	}
	if user, want := string(onConfigDrive(t, disk, "/openstack/latest/user_data")), "#cloud-config\nhostname: "+m.name+"\n"; user != want {
		t.Errorf("host %s: user_data is %q, want %q", h.Name, user, want)
	}
}

// remediate restarts a machine as a Metal3Remediation does: off, and on again once CAPM3 saw that it is off.
func remediate(ctx context.Context, t *testing.T, s *site.Site, m machine) {
	t.Helper()
	p := provider{client: s.Client}
	h, err := p.hostOf(ctx, m)
	must(t, err)
	written := writings(s, h.Name)
	must(t, p.hold(ctx, m, "0f1e2d3c"))
	power := func(on bool) func(context.Context) error {
		return func(ctx context.Context) error {
			h, err := p.hostOf(ctx, m)
			if err == nil && h.Status.PoweredOn != on {
				err = fmt.Errorf("powered on: %v", h.Status.PoweredOn)
			}
			return err
		}
	}
	until(ctx, t, m.name+" is off", power(false))
	if s.Lab.Machine(h.Name).Powered() {
		t.Errorf("host %s is said to be off and is on", h.Name)
	}
	must(t, p.letStart(ctx, m, "0f1e2d3c"))
	until(ctx, t, m.name+" is on again", power(true))
	after, err := p.hostOf(ctx, m)
	must(t, err)
	if after.Status.Provisioning.State != metal3.StateProvisioned || !s.Lab.Machine(h.Name).Powered() || writings(s, h.Name) != written {
		t.Errorf("host %s is %s, on: %v, its disks were opened for writing %d times more", h.Name, after.Status.Provisioning.State, s.Lab.Machine(h.Name).Powered(), writings(s, h.Name)-written)
	}
}

// checkScaledDown takes both machines away: one's disk is cleaned and its host kept for the deployment, the other's host is to be left as it is.
func checkScaledDown(ctx context.Context, t *testing.T, s *site.Site, cleaned, kept machine, hosts map[string]*metal3.BareMetalHost) {
	t.Helper()
	for _, m := range []machine{cleaned, kept} {
		h := withdraw(ctx, t, s, m)
		foreign := slices.DeleteFunc(h.OwnerReferences, func(r metav1.OwnerReference) bool { return r.Kind != "Metal3Machine" })
		if h.Name != hosts[m.name].Name || h.Spec.ConsumerRef != nil || len(foreign) > 0 || h.Spec.Image != nil || h.Status.ErrorMessage != "" || h.Status.Provisioning.Image.URL != "" {
			t.Errorf("host %s is offered again with %+v, %+v", h.Name, h.Spec, h.Status)
		}
		if h.Labels[nodeReuseLabel] != m.reuse || h.Labels["rack"] != "r7" {
			t.Errorf("host %s: labels %v, want it kept for %q", h.Name, h.Labels, m.reuse)
		}
		if clean := isCleanHost(t, s, h); clean != (m.cleaning == metal3.CleaningModeMetadata) {
			t.Errorf("host %s, cleaning %s: its disk is clean: %v", h.Name, m.cleaning, clean)
		}
		until(ctx, t, h.Name+" is off", func(ctx context.Context) error {
			if s.Lab.Machine(h.Name).Powered() {
				return errors.New("it is on")
			}
			return nil
		})
	}
}

// checkTakenBackMidway: a machine that is deleted while its image is being written gives its host back clean.
func checkTakenBackMidway(ctx context.Context, t *testing.T, s *site.Site, name string) {
	t.Helper()
	m := newMachine(ctx, t, s, "w-3", nil)
	if h := order(ctx, t, s, m, "192.0.2.13"); h.Name != name {
		t.Fatalf("the machine got host %s, want %s, the first", h.Name, name)
	}
	must(t, s.Await(ctx, namespace, func(all []metal3.BareMetalHost) bool {
		return slices.ContainsFunc(all, func(h metal3.BareMetalHost) bool {
			return h.Name == name && (h.Status.Provisioning.State == metal3.StateProvisioning || h.Status.Provisioning.State == metal3.StateProvisioned)
		})
	}))
	h := withdraw(ctx, t, s, m)
	if h.Spec.ConsumerRef != nil || h.Status.ErrorMessage != "" || h.Status.Provisioning.Image.URL != "" || !isCleanHost(t, s, h) {
		t.Errorf("host %s is offered again with %+v, %+v, clean %v", h.Name, h.Spec, h.Status, isCleanHost(t, s, h))
	}
}
