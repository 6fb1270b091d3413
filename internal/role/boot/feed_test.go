package boot

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

func newTestFeed() (*feed, *window.Index) {
	index := window.New()
	return newFeed("lab", index, netip.MustParseAddr("10.0.0.1"), 8080, slog.New(slog.DiscardHandler)), index
}

// parts are the objects of one boot over the network.
func parts() (*ingot.Partition, *ingot.BootWindow, *corev1.Secret) {
	all := objects(ingot.MethodPXE, overIPv4(), "https://10.0.0.2:8443", []byte("PEM"))
	return all[0].(*ingot.Partition), all[1].(*ingot.BootWindow), all[2].(*corev1.Secret)
}

// The watches show windows and Secrets in any order, and a deletion that was missed in another form.
func TestOrderDoesNotMatter(t *testing.T) {
	_, w, s := parts()
	for name, order := range map[string][]any{"window first": {w, s}, "Secret first": {s, w}} {
		f, index := newTestFeed()
		for i, o := range order {
			if i == 1 && index.ByBoot(bootID) != nil {
				t.Errorf("%s: a window is served without its token", name)
			}
			f.OnAdd(o, true)
		}
		e := index.ByBoot(bootID)
		if e == nil || e.Token.Reveal() != token || e.Boots != netboot.BootsAgent || e.Config.MACAddress != machineMAC {
			t.Fatalf("%s: entry %+v", name, e)
		}
		f.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "x", Obj: w})
		if index.ByBoot(bootID) != nil || len(f.waiting) != 0 || len(f.windows) != 0 {
			t.Errorf("%s: a deleted window is still known", name)
		}
	}
}

func TestASecretThatGoesTakesTheWindow(t *testing.T) {
	_, w, s := parts()
	f, index := newTestFeed()
	f.OnAdd(w, true)
	f.OnAdd(s, true)
	f.OnDelete(s)
	if index.ByBoot(bootID) != nil {
		t.Error("a window is served without its token")
	}
}

func TestWindowsThatAreNotServed(t *testing.T) {
	bad := map[string]func(w *ingot.BootWindow){
		"of another partition":      func(w *ingot.BootWindow) { w.Spec.Partition = "another" },
		"of another namespace":      func(w *ingot.BootWindow) { w.Namespace = "default" },
		"being deleted":             func(w *ingot.BootWindow) { now := metav1.Now(); w.DeletionTimestamp = &now },
		"without a purpose":         func(w *ingot.BootWindow) { w.Spec.Purpose = "" },
		"with an unknown method":    func(w *ingot.BootWindow) { w.Spec.Method = "floppy" },
		"with a MAC that is none":   func(w *ingot.BootWindow) { w.Spec.MACAddresses = []string{"eth0"} },
		"with a lease without size": func(w *ingot.BootWindow) { w.Spec.Leases[0].Address = "10.0.0.1" },
		"with a lease of no MAC":    func(w *ingot.BootWindow) { w.Spec.Leases[0].MACAddress = "" },
		"with another token's hash": func(w *ingot.BootWindow) { w.Spec.TokenHash = "00" },
		"with a name for a shell":   func(w *ingot.BootWindow) { w.Name = "boot.${net0}" },
		"that closes at once":       func(w *ingot.BootWindow) { w.Spec.ClosesAt = w.Spec.OpensAt },
	}
	for name, edit := range bad {
		_, w, s := parts()
		f, index := newTestFeed()
		f.OnAdd(s, true)
		f.OnAdd(w, true)
		if index.ByBoot(bootID) == nil {
			t.Fatal("the window is not served as it is")
		}
		changed := w.DeepCopy()
		edit(changed)
		if changed.Name == w.Name {
			f.OnUpdate(w, changed)
		} else {
			f.OnDelete(w)
			f.OnAdd(changed, false)
		}
		if e := index.ByBoot(changed.Name); e != nil {
			t.Errorf("a window %s is served: %+v", name, e)
		}
	}
}

func TestPurposesAndMethods(t *testing.T) {
	tests := []struct {
		purpose  ingot.BootPurpose
		method   ingot.BootMethod
		redeemed bool
		want     netboot.Boots
	}{
		{ingot.PurposeAgent, ingot.MethodPXE, false, netboot.BootsAgent},
		{ingot.PurposeAgent, ingot.MethodVirtualMedia, false, netboot.BootsMedia},
		{ingot.PurposeFirstBoot, "", false, netboot.BootsDisk},
		{ingot.PurposeAgent, ingot.MethodPXE, true, netboot.BootsAgent}, // its address is renewed even if the Secret is gone
	}
	for _, tc := range tests {
		_, w, s := parts()
		w.Spec.Purpose, w.Spec.Method = tc.purpose, tc.method
		f, index := newTestFeed()
		switch {
		case tc.redeemed:
			w.Status.RedeemedAt = &metav1.Time{Time: time.Now()}
		case tc.purpose == ingot.PurposeFirstBoot:
			w.Spec.TokenSecretName, w.Spec.TokenHash = "", ""
		default:
			f.OnAdd(s, true)
		}
		f.OnAdd(w, true)
		if e := index.ByBoot(bootID); e == nil || e.Boots != tc.want || e.Redeemed != tc.redeemed {
			t.Errorf("%s by %s: %+v", tc.purpose, tc.method, e)
		}
	}
}

func ipv6Network(n *ingot.ProvisioningNetwork) {
	*n = ingot.ProvisioningNetwork{DHCPMode: ingot.DHCPServer, BootServer: "fd00::9", CIDR: "fd00::/64", DNSServers: []string{"fd00::53"}, RouterAdvertisements: ingot.AdvertisedManaged}
}

func TestPartitionSettings(t *testing.T) {
	good := ingot.ProvisioningNetwork{DHCPMode: ingot.DHCPServer, BootServer: "10.0.0.9", Gateway: "10.0.0.254", DNSServers: []string{"10.0.0.53"}}
	tests := map[string]struct {
		edit func(n *ingot.ProvisioningNetwork)
		want netboot.Mode
	}{
		"server":             {func(*ingot.ProvisioningNetwork) {}, netboot.Server},
		"proxy":              {func(n *ingot.ProvisioningNetwork) { n.DHCPMode = ingot.DHCPProxy }, netboot.Proxy},
		"off":                {func(n *ingot.ProvisioningNetwork) { n.DHCPMode = ingot.DHCPOff }, netboot.Off},
		"nothing said":       {func(n *ingot.ProvisioningNetwork) { n.DHCPMode = "" }, netboot.Off},
		"unknown mode":       {func(n *ingot.ProvisioningNetwork) { n.DHCPMode = "on" }, netboot.Off},
		"a wrong gateway":    {func(n *ingot.ProvisioningNetwork) { n.Gateway = "10.0.0" }, netboot.Off},
		"a wrong DNS server": {func(n *ingot.ProvisioningNetwork) { n.DNSServers = []string{"dns.example"} }, netboot.Off},
		"a wrong address":    {func(n *ingot.ProvisioningNetwork) { n.BootServer = "boot" }, netboot.Off},
		"an IPv6 address":    {func(n *ingot.ProvisioningNetwork) { n.BootServer = "fd00::1" }, netboot.Off},
		"advertisements":     {func(n *ingot.ProvisioningNetwork) { n.RouterAdvertisements = ingot.AdvertisedManaged }, netboot.Off},
		"no advertisements":  {func(n *ingot.ProvisioningNetwork) { n.RouterAdvertisements = ingot.AdvertisedNone }, netboot.Server},
		"IPv6":               {ipv6Network, netboot.Server},
		"IPv6, no subnet":    {func(n *ingot.ProvisioningNetwork) { ipv6Network(n); n.CIDR = "" }, netboot.Off},
		"IPv6, IPv4's DNS":   {func(n *ingot.ProvisioningNetwork) { ipv6Network(n); n.DNSServers = []string{"10.0.0.53"} }, netboot.Off},
		"IPv6, a gateway":    {func(n *ingot.ProvisioningNetwork) { ipv6Network(n); n.Gateway = "fd00::fe" }, netboot.Off},
		"IPv6, proxy":        {func(n *ingot.ProvisioningNetwork) { ipv6Network(n); n.DHCPMode = ingot.DHCPProxy }, netboot.Off},
		"IPv6, unspecified":  {func(n *ingot.ProvisioningNetwork) { ipv6Network(n); n.BootServer = "::" }, netboot.Off},
	}
	for name, tc := range tests {
		n := good
		tc.edit(&n)
		f, index := newTestFeed()
		f.OnAdd(&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "lab"}, Spec: ingot.PartitionSpec{ProvisioningNetwork: n}}, true)
		if got := index.Settings().Mode; got != tc.want {
			t.Errorf("%s: mode %s, want %s", name, got, tc.want)
		}
		if refused := f.refused.Load(); (refused != nil) != (tc.want == netboot.Off && n.DHCPMode != ingot.DHCPOff && n.DHCPMode != "") {
			t.Errorf("%s: refused for %v", name, refused)
		}
	}
	f, index := newTestFeed()
	f.OnAdd(&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "another"}, Spec: ingot.PartitionSpec{ProvisioningNetwork: good}}, true)
	if index.Settings().Mode != netboot.Off {
		t.Error("another partition's settings were taken")
	}
	p, _, _ := parts()
	f.OnAdd(p, true)
	if s := index.Settings(); s.Mode != netboot.Server || s.BootServer.String() != "10.0.0.1" || s.HTTPPort != 8080 {
		t.Errorf("settings %+v: want our own address where the Partition names none", s)
	}
	f.OnDelete(p)
	if index.Settings().Mode != netboot.Off {
		t.Error("a deleted partition is still served")
	}
}

// What a Partition says of its site's servers and of the agent's kernel goes into leases and into iPXE's script, in the network's family.
func TestWhatASiteSays(t *testing.T) {
	site := ingot.PartitionSpec{
		DNSServers: []string{"10.1.0.53", "fd01::53"}, NTPServers: []string{"10.1.0.123", "ntp.example.net", "fd01::123"}, Boot: &ingot.BootConfiguration{KernelArguments: []string{"nomodeset"}},
	}
	four := ingot.ProvisioningNetwork{DHCPMode: ingot.DHCPServer, BootServer: "10.0.0.9"}
	own := four
	own.DNSServers = []string{"10.0.0.53"}
	six := ingot.ProvisioningNetwork{}
	ipv6Network(&six)
	six.DNSServers = nil
	for name, c := range map[string]struct {
		network  ingot.ProvisioningNetwork
		dns, ntp string
	}{"IPv4": {four, "[10.1.0.53]", "[10.1.0.123]"}, "servers of the network": {own, "[10.0.0.53]", "[10.1.0.123]"}, "IPv6": {six, "[fd01::53]", "[fd01::123]"}} {
		f, index := newTestFeed()
		site.ProvisioningNetwork = c.network
		f.OnAdd(&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "lab"}, Spec: site}, true)
		s := index.Settings()
		if fmt.Sprint(s.DNSServers) != c.dns || fmt.Sprint(s.NTPServers) != c.ntp || !slices.Equal(s.Arguments, []string{"nomodeset"}) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	f, index := newTestFeed()
	site.Boot.KernelArguments = []string{"rdinit=/bin/sh"}
	f.OnAdd(&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: "lab"}, Spec: site}, true)
	if refused := f.refused.Load(); refused == nil || index.Settings().Mode != netboot.Off {
		t.Errorf("another init is taken: %+v", index.Settings())
	}
}
