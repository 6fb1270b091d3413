package ruleset_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/test/randomsite"
)

// inNamespace runs a shell script in a network namespace of its own, which is gone afterwards. A machine that can't is a failure: a proof that is
// skipped proves nothing.
func inNamespace(t *testing.T, script string, files map[string]string) string {
	t.Helper()
	for _, tool := range []string{"unshare", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install util-linux and nftables", err)
		}
	}
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root: run the tests as root")
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-euc", script)
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %.3000s", script, err, out)
	}
	return string(out)
}

// Each ruleset is checked and loaded by the real nft, in a fresh kernel table: syntax, types, overlapping elements, chains that don't exist.
func TestTheKernelTakesRandomRulesets(t *testing.T) {
	files := map[string]string{}
	for seed := uint64(1); seed <= 60; seed++ {
		w := randomsite.New(seed)
		s, h, err := w.Site()
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("seed%d.nft", seed)
		files[name] = ruleset.Compile(s, h, ruleset.Options{Table: fmt.Sprintf("seed%d", seed), Generation: 3, Refused: w.One(2), Seen: w.One(2), ChainLines: 1 + w.IntN(3)}).Install(nil)
	}
	if tables := inNamespace(t, "for f in seed*.nft; do nft -c -f $f; nft -f $f; done; nft list tables", files); strings.Count(tables, "table inet seed") != 60 {
		t.Errorf("the kernel has not all tables:\n%s", tables)
	}
}

// A generation replaces another without a trace of the old one; a trial shadows it and expires; installing twice changes nothing.
func TestGenerationsReplaceEachOther(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		first, second := compiled(t, seed, 1), compiled(t, seed+100, 2)
		again := compiled(t, seed+100, 2)
		listing := inNamespace(t, `
			nft -f first; nft -f second; nft -s list ruleset > swapped
			nft delete table inet ingot; nft -f only; nft -s list ruleset > fresh
			# Base chains and maps of early hooks that only the first had stay, empty.
			grep -E 'g1_' swapped && exit 1
			grep -cE 'g2_' swapped > a; grep -cE 'g2_' fresh > b; cmp a b
			nft list ruleset | wc -l`, map[string]string{"first": first.Install(nil), "second": second.Install(first), "only": again.Install(nil)})
		if strings.TrimSpace(listing) == "0" {
			t.Errorf("seed %d: nothing is loaded", seed)
		}
	}
}

func compiled(t *testing.T, seed uint64, generation uint32) *ruleset.Ruleset {
	t.Helper()
	s, h, err := randomsite.New(seed).Site()
	if err != nil {
		t.Fatal(err)
	}
	return ruleset.Compile(s, h, ruleset.Options{Generation: generation, Refused: true, Seen: true})
}

// The dead man's switch: what isn't confirmed is gone when its time is over, with nobody there to take it away.
func TestATrialExpiresByItselfAndAConfirmedOneStays(t *testing.T) {
	open, closed := fixed(t, calico.Allow, 1), fixed(t, calico.Deny, 2)
	pending := `nft -j list map inet ingot pending_input | grep -c g2_ || true`
	active := func(g int) string { return fmt.Sprintf(`nft list chain inet ingot active_input | grep -q g%d_`, g) }
	inNamespace(t, `
		nft -f install; `+active(1)+`
		nft -f try; test "$(`+pending+`)" = 1; `+active(1)+`
		# Wait for the condition: the element is gone. The bound only ends a broken test.
		n=0; while [ "$(`+pending+`)" = 1 ]; do n=$((n+1)); [ $n -lt 3000 ] || exit 9; done
		`+active(1)+`
		nft -f abandon; nft list ruleset | grep g2_ && exit 1
		nft -f longtry; test "$(`+pending+`)" = 1
		nft -f confirm; test "$(`+pending+`)" = 0; `+active(2)+`
		nft list ruleset | grep g1_ && exit 1
		true`,
		map[string]string{
			"install": open.Install(nil), "try": closed.Try(300 * time.Millisecond), "abandon": closed.Abandon(), "longtry": closed.Try(time.Hour), "confirm": closed.Confirm(open),
		})
}

// fixed is a host whose one policy does one thing with TCP to port 22.
func fixed(t *testing.T, action calico.Action, generation uint32) *ruleset.Ruleset {
	t.Helper()
	tcp := calico.Protocol{Name: "TCP", Number: 6}
	s, err := firewall.NewSite(calico.Objects{
		HostEndpoints: []calico.HostEndpoint{{Meta: calico.Meta{Name: "e"}, Node: "n", InterfaceName: "a0", ExpectedIPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}},
		Policies: []calico.Policy{{
			Meta: calico.Meta{Name: "p"}, Kind: calico.GlobalNetworkPolicy, Tier: calico.DefaultTier, Types: []calico.Direction{calico.Ingress},
			Ingress: []calico.Rule{{Action: action, Protocol: &tcp, Destination: calico.Peer{Ports: []calico.Port{{Min: 22, Max: 22}}}}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ruleset.Compile(s, s.Host("n", nil), ruleset.Options{Generation: generation})
}
