package linux

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// managers are known by the names of their tables or chains.
var managers = []struct {
	name, advice string
	tables       []string
	prefixes     []string
}{
	{"firewalld", "stop it for good (systemctl disable --now firewalld), and write what it allowed as rows of the matrix", []string{"firewalld"}, nil},
	{"ufw", "switch it off (ufw disable), and write what it allowed as rows of the matrix", nil, []string{"ufw-", "ufw6-"}},
	{"docker", "it opens published ports in the forward hook: write them as rows with applyOnForward, or start it with --iptables=false", []string{"docker-bridges"}, []string{"DOCKER"}},
	{"calico", "let one of the two decide about host endpoints: remove Calico's HostEndpoints of this host, or don't run ingot-node here", []string{"calico"}, []string{"cali-"}},
	{"kube-proxy", "leave it: it translates addresses, and drops only what no endpoint serves", []string{"kube-proxy"}, []string{"KUBE-"}},
	{"cilium", "let one of the two decide about the host: leave Cilium's host firewall off", nil, []string{"CILIUM_"}},
	{"libvirt", "leave it if this host runs virtual machines: it decides about their networks only", []string{"libvirt_network"}, []string{"LIBVIRT_"}},
	{"tailscale", "leave it: it decides about its own interface; a row for its UDP port is needed", nil, []string{"ts-"}},
	{"fail2ban", "leave it: it only refuses", []string{"f2b-table"}, []string{"f2b-"}},
	{"podman", "it opens published ports in the forward hook: write them as rows with applyOnForward", []string{"netavark"}, []string{"NETAVARK"}},
}

const unknownAdvice = "find out who made it (a package's service, /etc/nftables.conf, a script); a packet passes only if its rules and ours both accept it"

// shared are the hooks at which a packet's fate is decided by both, by the name of the hook.
var shared = []string{"forward", "input", "output", "prerouting"}

// evidence is what was found of one manager.
type evidence struct {
	places map[string]bool
	hooks  map[string]bool
	drops  bool
	advice string
}

// Others implements hostnet.Others.
func (h *Host) Others(ctx context.Context, own string) ([]hostnet.Other, error) {
	out, err := h.run(ctx, "", "-j", "-nn", "-t", "list", "ruleset")
	if err != nil {
		return nil, fmt.Errorf("list all tables: %w", err)
	}
	var legacy []string
	err = h.inside(func() error {
		for _, name := range []string{"ip_tables_names", "ip6_tables_names"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + name)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("list iptables-legacy's tables: %w", err)
			}
			for _, table := range strings.Fields(string(text)) {
				legacy = append(legacy, strings.TrimSuffix(name, "_names")+" "+table)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return identify(out, legacy, own)
}

// identify reads nft's JSON of all tables, and the names of iptables-legacy's.
func identify(text []byte, legacy []string, own string) ([]hostnet.Other, error) {
	var l listing
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("read what nft says of all tables: %w", err)
	}
	managed := map[string]*evidence{}
	of := func(name, advice string) *evidence {
		if managed[name] == nil {
			managed[name] = &evidence{map[string]bool{}, map[string]bool{}, false, advice}
		}
		return managed[name]
	}
	tables := foreignTables(&l, own)
	for _, t := range tables {
		owners := t.owners()
		if len(owners) == 0 && !t.decides() {
			continue // nobody's, and empty: iptables-nft leaves such tables behind
		}
		if len(owners) == 0 {
			e := of("unknown", unknownAdvice)
			t.into(e)
		}
		for _, i := range owners {
			t.into(of(managers[i].name, managers[i].advice))
		}
	}
	if len(legacy) > 0 {
		e := of("iptables-legacy", "move its rules to the matrix, then empty it (iptables-legacy -F in each table) and unload its modules: nft does not show its rules")
		for _, t := range legacy {
			e.places[t] = true
			if strings.HasSuffix(t, " filter") {
				e.hooks["input"], e.hooks["output"], e.hooks["forward"], e.drops = true, true, true, true
			}
		}
	}
	var all []hostnet.Other
	for name, e := range managed {
		all = append(all, hostnet.Other{
			Name: name, Hooks: slices.Sorted(maps.Keys(e.hooks)), Drops: e.drops, Evidence: strings.Join(slices.Sorted(maps.Keys(e.places)), ", "), Advice: e.advice,
		})
	}
	slices.SortFunc(all, func(a, b hostnet.Other) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// foreign is a table that is not ours.
type foreign struct {
	listedTable
	chains []*listedChain
	// drops is set for chains that have a rule that drops or rejects; ruled for those that have any rule.
	drops, ruled map[string]bool
}

func foreignTables(l *listing, own string) []*foreign {
	var all []*foreign
	known := map[listedTable]*foreign{}
	for _, o := range l.Nftables {
		switch {
		case o.Table != nil && *o.Table != listedTable{"inet", own} && *o.Table != listedTable{"inet", ruleset.GatewayTable}: // both are ours
			known[*o.Table] = &foreign{listedTable: *o.Table, drops: map[string]bool{}, ruled: map[string]bool{}}
			all = append(all, known[*o.Table])
		case o.Chain != nil:
			if t := known[listedTable{o.Chain.Family, o.Chain.Table}]; t != nil {
				t.chains = append(t.chains, o.Chain)
			}
		case o.Rule != nil:
			if t := known[listedTable{o.Rule.Family, o.Rule.Table}]; t != nil {
				t.ruled[o.Rule.Chain] = true
				for _, s := range o.Rule.Expr {
					if word := string(s); strings.Contains(word, `"drop"`) || strings.Contains(word, `"reject"`) || strings.Contains(word, `"DROP"`) || strings.Contains(word, `"REJECT"`) {
						t.drops[o.Rule.Chain] = true
					}
				}
			}
		}
	}
	return all
}

// owners are the places in managers of those whose marks the table has.
func (t *foreign) owners() []int {
	var found []int
	for i, m := range managers {
		byChain := slices.ContainsFunc(t.chains, func(c *listedChain) bool {
			return slices.ContainsFunc(m.prefixes, func(p string) bool { return strings.HasPrefix(c.Name, p) })
		})
		if byChain || slices.Contains(m.tables, t.Name) {
			found = append(found, i)
		}
	}
	return found
}

// decides says whether packets can be decided about in the table: a rule, or a policy that drops.
func (t *foreign) decides() bool {
	return len(t.ruled) > 0 || slices.ContainsFunc(t.chains, func(c *listedChain) bool { return c.Policy == "drop" })
}

func (t *foreign) into(e *evidence) {
	e.places["table "+t.Family+" "+t.Name] = true
	for _, c := range t.chains {
		if c.Type == "filter" && slices.Contains(shared, c.Hook) {
			e.hooks[c.Hook] = true
			e.drops = e.drops || c.Policy == "drop" || len(t.drops) > 0
		}
	}
}
