package prove

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// Load gives the host a ruleset instead of the one that it had: its counters begin at 0. A ruleset of another generation with the same hooks replaces
// the old one as it would on a running host; else the table is made anew.
func (l *Lab) Load(ctx context.Context, r *ruleset.Ruleset) error {
	var b strings.Builder
	switch {
	case l.loaded == nil:
		b.WriteString(r.Install(nil))
	case l.loaded.Table == r.Table && l.loaded.Generation != r.Generation && slices.EqualFunc(l.loaded.Base, r.Base, func(x, y *ruleset.Chain) bool { return x.Name == y.Name }):
		b.WriteString(r.Install(l.loaded))
		for _, name := range recorded(l.loaded) { // what the old one noted would be listed for ever
			fmt.Fprintf(&b, "flush set inet %s %s\n", r.Table, name)
		}
	default:
		fmt.Fprintf(&b, "delete table inet %s\n", l.loaded.Table)
		b.WriteString(r.Install(nil))
	}
	b.WriteString("flush chain inet ingot_lab states\ntable inet ingot_lab {" + stateRules + "}\n")
	if err := l.host.do(func() error { return run(ctx, b.String(), "nft", "-f", "-") }); err != nil {
		return fmt.Errorf("load the ruleset: %w", err)
	}
	l.loaded = r
	return nil
}

// recorded are the dynamic sets of a ruleset.
func recorded(r *ruleset.Ruleset) []string {
	var names []string
	for name, kept := range map[string]bool{"refused": r.Refused, "seen": r.Seen} {
		if kept {
			names = append(names, name+"4", name+"_plain4", name+"6", name+"_plain6")
		}
	}
	return names
}

// open lets everything through, in the way in which the ruleset is made to be switched: the chains that lead to the generation are empty. shut puts the
// generation back.
func (l *Lab) open(ctx context.Context, r *ruleset.Ruleset) error {
	return l.host.do(func() error { return run(ctx, r.Open(), "nft", "-f", "-") })
}

func (l *Lab) shut(ctx context.Context, r *ruleset.Ruleset) error {
	return l.host.do(func() error { return run(ctx, r.Confirm(nil), "nft", "-f", "-") })
}

// Counters are the kernel's counts by the names of rules, as package firewall names them, and of connection tracking's states: "state/new". Rules of
// one name are added up.
func (l *Lab) Counters(ctx context.Context, r *ruleset.Ruleset) (map[string]uint64, error) {
	counts := map[string]uint64{}
	var listing []byte
	err := l.host.do(func() error {
		var err error
		listing, err = output(ctx, "", "nft", "-j", "-t", "list", "ruleset")
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := addCounters(listing, r.Names(), counts); err != nil {
		return nil, fmt.Errorf("read nft's listing: %w", err)
	}
	return counts, nil
}

func addCounters(listing []byte, names map[string]ruleset.Name, counts map[string]uint64) error {
	var top struct {
		Nftables []struct {
			Rule *struct {
				Comment string `json:"comment"`
				Expr    []struct {
					Counter *struct {
						Packets uint64 `json:"packets"`
					} `json:"counter"`
				} `json:"expr"`
			} `json:"rule"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(listing, &top); err != nil {
		return err
	}
	for _, object := range top.Nftables {
		if object.Rule == nil || object.Rule.Comment == "" {
			continue
		}
		id := object.Rule.Comment
		if name, known := names[id]; known {
			id = name.ID
		}
		for _, e := range object.Rule.Expr {
			if e.Counter != nil {
				counts[id] += e.Counter.Packets
			}
		}
	}
	return nil
}
