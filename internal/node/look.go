package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// expected is what the kernel should have, for a text.
type expected struct {
	sum   [sha256.Size]byte
	table hostnet.Table
}

// look reads our table. It is nil where there is none.
func (n *Node) look(ctx context.Context) (guard.Kernel, *hostnet.Table) {
	table, err := n.o.Host.State(ctx, n.o.Table)
	if errors.Is(err, hostnet.ErrNoTable) {
		return guard.Kernel{}, nil
	}
	if err != nil {
		return guard.Kernel{Unreadable: err.Error()}, nil
	}
	var k guard.Kernel
	var sound bool
	k.Active, k.Pending, _, sound = table.Generations()
	k.Stale = len(strayed(table, k.Active, k.Pending)) > 0
	switch {
	case !sound:
		k.Drift = "its maps lead to several generations, or elsewhere"
	case k.Active != 0 && k.Active == n.disk.Confirmed.Generation && k.Pending == 0 && !k.Stale:
		k.Drift = n.drift(ctx, table)
	}
	return k, &table
}

// drift says in words what the table has other than the confirmed text; "" where nothing is, or where it can't be told.
func (n *Node) drift(ctx context.Context, got hostnet.Table) string {
	text, err := n.o.State.Text(n.disk.ConfirmedTexts.Install)
	if err != nil {
		n.o.Log.Error("the confirmed ruleset can't be read back", "err", err)
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	if n.expected.sum != sum {
		table, err := n.o.Host.Expect(ctx, n.o.Table, text)
		if err != nil {
			n.o.Log.Error("the kernel can't be compared with the confirmed ruleset", "err", err)
			return ""
		}
		n.expected = expected{sum, table}
	}
	differences := hostnet.Compare(n.expected.table, got)
	n.observed.kernel = differences
	if len(differences) == 0 {
		return ""
	}
	words := differences[0].String()
	if more := len(differences) - 1; more > 0 {
		words += fmt.Sprintf(", and %d more", more)
	}
	return words
}

// generationOf is the number in the name of an object of a generation; 0 for the permanent ones.
func generationOf(name string) uint32 {
	digits, rest, ok := strings.Cut(name, "_")
	number, g := strings.CutPrefix(digits, "g")
	if !ok || !g || rest == "" {
		return 0
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// strayed are the objects of generations other than those given, by name.
func strayed(t hostnet.Table, keep ...uint32) []string {
	var names []string
	add := func(name string) {
		if g := generationOf(name); g != 0 && !slices.Contains(keep, g) {
			names = append(names, name)
		}
	}
	for _, c := range t.Chains {
		add(c.Name)
	}
	for _, s := range t.Sets {
		add(s.Name)
	}
	return names
}

// sweep is the text that deletes all generations but one from a table, and the base chains that are not in base. It goes behind what leads packets elsewhere.
func sweep(t hostnet.Table, keep uint32, base []string) string {
	var refer, maps, chains strings.Builder
	line := func(b *strings.Builder, verb, name string) { fmt.Fprintf(b, "%s inet %s %s\n", verb, t.Name, name) }
	gone := func(name string) bool { g := generationOf(name); return g != 0 && g != keep }
	for _, c := range t.Chains {
		unused := c.Hook != "" && !slices.Contains(base, c.Name)
		if !gone(c.Name) && !unused {
			continue
		}
		line(&refer, "flush chain", c.Name)
		line(&chains, "delete chain", c.Name)
		for _, way := range ruleset.Ways(c.Name) {
			if unused && t.Chain(way) != nil {
				line(&refer, "flush chain", way)
				line(&chains, "delete chain", way)
			}
		}
		if unused && t.Set("pending_"+c.Name) != nil {
			line(&refer, "flush map", "pending_"+c.Name)
			line(&maps, "delete map", "pending_"+c.Name)
		}
	}
	for _, s := range t.Sets {
		if !gone(s.Name) {
			continue
		}
		verb := "delete set"
		if _, local, _ := strings.Cut(s.Name, "_"); strings.HasPrefix(local, "m") {
			verb = "delete map"
		}
		line(&maps, verb, s.Name)
	}
	return refer.String() + maps.String() + chains.String()
}

// withoutTrial is the text that ends whatever is on trial in a table.
func withoutTrial(t hostnet.Table) string {
	var hooks []string
	for _, c := range t.Chains {
		if c.Hook != "" && t.Chain("trial_"+c.Name) != nil && t.Set("pending_"+c.Name) != nil {
			hooks = append(hooks, c.Name)
		}
	}
	return ruleset.EndTrials(t.Name, hooks)
}

// emptied is the text that makes a table decide nothing: what leads to generations of these kinds, active_ or pending_, leads nowhere.
func emptied(t hostnet.Table, kinds ...string) string {
	var b strings.Builder
	for _, kind := range kinds {
		for _, c := range t.Chains {
			if strings.HasPrefix(c.Name, kind) || kind == "pending_" && strings.HasPrefix(c.Name, "trial_") {
				fmt.Fprintf(&b, "flush chain inet %s %s\n", t.Name, c.Name)
			}
		}
		for _, s := range t.Sets {
			if strings.HasPrefix(s.Name, kind) {
				fmt.Fprintf(&b, "flush map inet %s %s\n", t.Name, s.Name)
			}
		}
	}
	return b.String()
}

// baseOf are the names of a ruleset's base chains.
func baseOf(r *ruleset.Ruleset) []string {
	names := make([]string, len(r.Base))
	for i, c := range r.Base {
		names[i] = c.Name
	}
	return names
}
