package prove

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// Load gives the host a ruleset instead of the one that it had: its counters begin at 0.
func (l *Lab) Load(ctx context.Context, r *ruleset.Ruleset) error {
	var b strings.Builder
	if l.table != "" {
		fmt.Fprintf(&b, "delete table inet %s\n", l.table)
	}
	b.WriteString(r.Install(nil) + "delete table inet ingot_lab\n" + guardTable)
	if err := l.host.do(func() error { return run(ctx, b.String(), "nft", "-f", "-") }); err != nil {
		return fmt.Errorf("load the ruleset: %w", err)
	}
	l.table = r.Table
	return nil
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
	counts, names := map[string]uint64{}, r.Names()
	for _, table := range []string{l.table, "ingot_lab"} {
		var listing []byte
		err := l.host.do(func() error {
			var err error
			listing, err = output(ctx, "", "nft", "-j", "list", "table", "inet", table)
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := addCounters(listing, names, counts); err != nil {
			return nil, fmt.Errorf("read nft's listing of table %s: %w", table, err)
		}
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
