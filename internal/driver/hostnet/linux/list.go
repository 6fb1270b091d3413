package linux

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// listing is nft's JSON (libnftables-json(5)), as far as it is read here.
type listing struct {
	Nftables []struct {
		Table *listedTable `json:"table"`
		Chain *listedChain `json:"chain"`
		Rule  *listedRule  `json:"rule"`
		Set   *listedSet   `json:"set"`
		Map   *listedSet   `json:"map"`
	} `json:"nftables"`
}

type listedTable struct {
	Family string `json:"family"`
	Name   string `json:"name"`
}

type listedChain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Hook   string `json:"hook"`
	// Priority is a number or a name.
	Priority json.RawMessage `json:"prio"`
	Policy   string          `json:"policy"`
}

type listedRule struct {
	Family  string            `json:"family"`
	Table   string            `json:"table"`
	Chain   string            `json:"chain"`
	Comment string            `json:"comment"`
	Expr    []json.RawMessage `json:"expr"`
}

type listedSet struct {
	Name  string     `json:"name"`
	Type  typeNames  `json:"type"`
	Map   string     `json:"map"`
	Flags stringList `json:"flags"`
	// Timeout is in seconds.
	Timeout int64 `json:"timeout"`
	Size    int64 `json:"size"`
}

// typeNames is one name, or a list for a concatenation. A newer nft may give an object (typeof): that is no type that Ingot's rulesets have.
type typeNames []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *typeNames) UnmarshalJSON(b []byte) error { return (*stringList)(t).UnmarshalJSON(b) }

// stringList is a string or a list of them.
type stringList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = stringList{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		*l = stringList{string(b)}
		return nil //nolint:nilerr // kept as it is: it is compared, not understood
	}
	*l = many
	return nil
}

// listed is a table as nft lists it, without the members of its sets.
type listed struct {
	hostnet.Table
	// types are those of the keys of the sets and maps, by name.
	types map[string][]string
	// values are the types of what maps lead to, by name.
	values   map[string]string
	counters []hostnet.Counter
}

// list reads a table. Numbers stay numbers (-nn), and members are left out (-t): a set of refused tuples may be large.
func (h *Host) list(ctx context.Context, table string) (listed, error) {
	out, err := h.run(ctx, "", "-j", "-nn", "-t", "list", "table", "inet", table)
	if err != nil {
		return listed{}, missing(err)
	}
	return parseTable(table, out)
}

// parseTable reads nft's JSON of one table.
func parseTable(name string, text []byte) (listed, error) {
	var l listing
	if err := json.Unmarshal(text, &l); err != nil {
		return listed{}, fmt.Errorf("read what nft says of table %s: %w", name, err)
	}
	t := listed{Table: hostnet.Table{Name: name}, types: map[string][]string{}, values: map[string]string{}}
	chains := map[string]*hostnet.Chain{}
	counters := map[string]*hostnet.Counter{}
	for _, o := range l.Nftables {
		if c := o.Chain; c != nil {
			chains[c.Name] = &hostnet.Chain{Name: c.Name, Hook: c.Hook, Priority: strings.Trim(string(c.Priority), `"`), Policy: c.Policy}
		}
		for _, s := range []*listedSet{o.Set, o.Map} {
			if s != nil {
				t.Sets = append(t.Sets, hostnet.Set{Name: s.Name, Text: s.text()})
				t.types[s.Name], t.values[s.Name] = s.Type, s.Map
			}
		}
		if r := o.Rule; r != nil {
			text, packets, bytes, err := canonical(r.Expr)
			if err != nil {
				return listed{}, fmt.Errorf("read a rule of chain %s of table %s: %w", r.Chain, name, err)
			}
			c := chains[r.Chain]
			if c == nil {
				return listed{}, fmt.Errorf("nft lists a rule of chain %s of table %s, and not the chain", r.Chain, name)
			}
			c.Rules = append(c.Rules, hostnet.Rule{Comment: r.Comment, Text: text})
			if r.Comment != "" {
				if counters[r.Comment] == nil {
					counters[r.Comment] = &hostnet.Counter{Comment: r.Comment}
				}
				counters[r.Comment].Packets += packets
				counters[r.Comment].Bytes += bytes
			}
		}
	}
	for _, c := range chains {
		t.Chains = append(t.Chains, *c)
	}
	for _, c := range counters {
		t.counters = append(t.counters, *c)
	}
	slices.SortFunc(t.Chains, func(a, b hostnet.Chain) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(t.Sets, func(a, b hostnet.Set) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(t.counters, func(a, b hostnet.Counter) int { return cmp.Compare(a.Comment, b.Comment) })
	return t, nil
}

func (s *listedSet) text() string {
	words := []string{"type", strings.Join(s.Type, " . ")}
	if s.Map != "" {
		words = append(words, ":", s.Map)
	}
	if len(s.Flags) > 0 {
		slices.Sort(s.Flags)
		words = append(words, "flags", strings.Join(s.Flags, ","))
	}
	if s.Timeout > 0 {
		words = append(words, "timeout", fmt.Sprint(s.Timeout, "s"))
	}
	if s.Size > 0 {
		words = append(words, "size", fmt.Sprint(s.Size))
	}
	return strings.Join(words, " ")
}

// canonical is a rule's statements as one text that does not change by itself: counters stand without their numbers, which are given apart.
func canonical(statements []json.RawMessage) (text string, packets, bytes uint64, err error) {
	texts := make([]string, len(statements))
	for i, raw := range statements {
		var s struct {
			Counter *struct{ Packets, Bytes uint64 } `json:"counter"`
		}
		if json.Unmarshal(raw, &s) == nil && s.Counter != nil {
			packets, bytes = packets+s.Counter.Packets, bytes+s.Counter.Bytes
			texts[i] = "counter"
			continue
		}
		if texts[i], err = compact(raw); err != nil {
			return "", 0, 0, err
		}
	}
	return strings.Join(texts, " "), packets, bytes, nil
}

func compact(raw json.RawMessage) (string, error) {
	var b bytes.Buffer
	err := json.Compact(&b, raw)
	return b.String(), err
}

// Counters implements hostnet.Counting.
func (h *Host) Counters(ctx context.Context, table string) ([]hostnet.Counter, error) {
	t, err := h.list(ctx, table)
	return t.counters, err
}
