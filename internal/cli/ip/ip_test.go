package ip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/ip"
	"github.com/ingotmetal/ingot/internal/cli/network"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controller/address"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// program runs nouns as `ingot` does, with the kubeconfig of an administrator.
type program struct {
	t  *testing.T
	cp *controlplanetest.Server
}

func (p program) run(args ...string) (string, error) {
	var out bytes.Buffer
	s := session.New(&out, &out)
	root := &cobra.Command{Use: "ingot", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(ip.Command(s), network.Command(s))
	root.SetArgs(append(args, "--kubeconfig", filepath.Join(p.cp.DataDir, "admin.kubeconfig")))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(p.t.Context())
	return out.String(), err
}

// says wants words in an answer, and an error where fails is true.
func (p program) says(fails bool, words []string, args ...string) string {
	p.t.Helper()
	out, err := p.run(args...)
	if fails != (err != nil) {
		p.t.Errorf("ingot %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if err != nil {
		out += err.Error()
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			p.t.Errorf("ingot %s: %q is not in\n%s", strings.Join(args, " "), w, out)
		}
	}
	return out
}

func (p program) until(what string, holds func() error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("not in time: %s: %v", what, err)
		}
	}
}

// serve runs the controllers of addresses as the role.
func serve(t *testing.T, cp *controlplanetest.Server) client.Client {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, ingot.AddToScheme, address.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	controllertest.Run(t, cp.As(t, "controller", ""), s, nil, func(ctx context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		_, err := address.Add(ctx, mgr, address.Options{Live: live, Log: log, Pace: 20 * time.Millisecond})
		return err
	})
	c, err := client.New(cp.Admin, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A person asks for addresses, looks at them and at their network, is told why there is none, and gives them back; the controllers serve.
func TestAddresses(t *testing.T) {
	cp := controlplanetest.Shared(t)
	p := program{t, cp}
	c := serve(t, cp)
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "wires"}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "wires", Name: "public"}, Spec: ingot.NetworkSpec{
			Type: ingot.ExternalNetwork, VRF: "cli", Prefixes: []string{"10.9.0.0/29", "2001:db8:9::/64"}, Gateways: []string{"10.9.0.1"}, QuarantineSeconds: 3600, Description: "the internet",
		}},
		&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "wires", Name: "all"}, Spec: ingot.NetworkSpec{Type: ingot.SuperNetwork, VRF: "cli", Prefixes: []string{"10.10.0.0/24"}, ChildPrefixLength: &ingot.PrefixLengths{IPv4: 26}}},
		&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "own"}, Spec: ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: &ingot.NetworkReference{Namespace: "wires", Name: "all"}}},
	} {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	long := "--timeout=4m"
	p.says(false, []string{"10.9.0.2\n"}, "ip", "allocate", "www", "-n", "shop", "--network", "wires/public", "--static", "--tag", "web", "--wait", long)
	p.says(false, []string{"2001:db8:9::1\n"}, "ip", "allocate", "six", "-n", "shop", "--network", "wires/public", "--family", "IPv6", "--wait", long)
	p.says(false, []string{"10.10.0.1\n"}, "ip", "allocate", "inner", "-n", "shop", "--network", "own", "--wait", long)
	p.says(true, []string{"is not there after"}, "ip", "allocate", "late", "-n", "shop", "--network", "wires/public", "--address", "10.9.0.2", "--wait", "--timeout", "100ms")
	p.until("late is told that its address is taken", func() error {
		out, err := p.run("ip", "get", "late", "-n", "shop")
		if err == nil && !strings.Contains(out, "Taken: 10.9.0.2") {
			err = errors.New(out)
		}
		return err
	})
	p.says(true, []string{"required flag"}, "ip", "allocate", "x", "-n", "shop")
	p.lists()
	p.explains()
	p.frees(c)
}

func (p program) lists() {
	p.t.Helper()
	p.says(false, []string{"www", "10.9.0.2", "wires/public", "Static", "Allocated"}, "ip", "list", "-n", "shop")
	for want, args := range map[string][]string{
		"inner six www": {"--state", "Allocated", "--sort-by", "name"},
		"www":           {"--type", "Static"},
		"late":          {"--filter", "ready=Taken"},
		// 10.10.0.1 comes after 10.9.0.2 by its numbers; what has none comes last in both directions.
		"inner www late": {"--filter", "name!=six", "--sort-by", "-address"},
	} {
		out, err := p.run(append([]string{"ip", "list", "-n", "shop", "-o", "name"}, args...)...)
		got := strings.Join(strings.Fields(out), " ")
		if err != nil || got != want {
			p.t.Errorf("%v: %v %q, want %q", args, err, got, want)
		}
	}
	p.says(false, []string{"IP:          shop/www", "address:     10.9.0.2/29", "gateway:     10.9.0.1", "tags:        web"}, "ip", "get", "www", "-n", "shop")
	p.says(true, []string{"ingot ip list -A"}, "ip", "get", "nobody", "-n", "shop")
	p.says(false, []string{"public", "External", "10.9.0.0/29,2001:db8:9::/64", "cli", "Allocated"}, "network", "list", "-n", "wires")
	p.says(false, []string{"network:      wires/public", "description:  the internet", "gateways:     10.9.0.1", "quarantine:   1h0m"}, "network", "get", "public", "-n", "wires")
	p.says(true, []string{"ingot network list -A"}, "network", "describe", "nobody", "-n", "wires")
}

func (p program) explains() {
	p.t.Helper()
	p.says(false, []string{"10.9.0.2 is the address of IP shop/www", "network wires/public (External, VRF cli) has 10.9.0.0/29", "in VRF cli it is held by IP/shop/www, from Network/wires/public"}, "ip", "explain", "www", "-n", "shop")
	p.says(false, []string{"10.9.0.2 is the address of IP shop/www", "held by IP/shop/www"}, "ip", "explain", "10.9.0.2")
	p.says(false, []string{"IP shop/late has no address: Taken: 10.9.0.2", "it asks for 10.9.0.2", "held by IP/shop/www"}, "ip", "explain", "late", "-n", "shop")
	p.says(false, []string{"no IP has it", "gives this address to nobody: it is a gateway or excluded", "nobody holds it"}, "ip", "explain", "10.9.0.1")
	p.says(false, []string{"no network that you may see has it"}, "ip", "explain", "192.0.2.1")
	out := p.says(false, nil, "ip", "explain", "www", "-n", "shop", "-o", "json")
	var e ip.Explanation
	if err := json.Unmarshal([]byte(out), &e); err != nil || len(e.Holders) != 1 || e.Holders[0].Pool != "Network/wires/public" {
		p.t.Errorf("%v %s", err, out)
	}
}

func (p program) frees(c client.Client) {
	p.t.Helper()
	owned := &ingot.IP{}
	if err := c.Get(p.t.Context(), client.ObjectKey{Namespace: "shop", Name: "six"}, owned); err != nil {
		p.t.Fatal(err)
	}
	user := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	if err := c.Create(p.t.Context(), user); err != nil {
		p.t.Fatal(err)
	}
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: user.Name, UID: user.UID}}
	if err := c.Patch(p.t.Context(), owned, client.Merge); err != nil {
		p.t.Fatal(err)
	}
	p.says(true, []string{"belongs to ConfigMap/web-1", "--yes"}, "ip", "free", "six", "-n", "shop")
	p.says(false, []string{"is given back"}, "ip", "free", "www", "-n", "shop", "--wait", "--timeout=4m")
	// What is given back rests for an hour: the count says so once the controller has recorded it.
	p.until("the usage says that the address rests", func() error {
		out, err := p.run("network", "usage", "-n", "wires", "-o", "json")
		var all []network.Usage
		if err == nil {
			err = json.Unmarshal([]byte(out), &all)
		}
		if err != nil {
			return err
		}
		by := map[string]network.Usage{}
		for _, u := range all {
			by[u.Prefix] = u
		}
		four, whole := by["10.9.0.0/29"], by["10.10.0.0/24"]
		if four.Size != 5 || four.Held != 0 || four.Quarantined != 1 || four.Free != 4 || by["2001:db8:9::/64"].Held != 1 || whole.Size != 256 || whole.Held != 64 || whole.Free != 192 {
			return errors.New(out)
		}
		return nil
	})
	p.says(false, []string{"PREFIX", "QUARANTINED", "10.9.0.0/29", "20%"}, "network", "usage", "-n", "wires", "--network", "public")
	p.says(false, []string{"it rests until", "after IP/shop/www"}, "ip", "explain", "10.9.0.2")
	p.says(false, nil, "ip", "issues", "-n", "shop")
	p.says(true, []string{`there is no issue "nothing"`}, "network", "issues", "--only", "nothing")
}
