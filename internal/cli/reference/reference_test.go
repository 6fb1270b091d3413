package reference

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// program has what pages trip over: marks of Markdown and roff, a hidden command, a flag of the parent's.
func program() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do things"}
	noun := &cobra.Command{Use: "thing", Short: "See a thing"}
	noun.PersistentFlags().StringP("namespace", "n", "web", "the `NAME` of a namespace")
	run := func(*cobra.Command, []string) {}
	verb := &cobra.Command{Use: "get NAME", Short: "Show <one> thing", Example: "  tool thing get a\\b\n  .dot", Run: run, Long: "Shows one.\n\n.Dots and 'quotes | and *stars*."}
	verb.Flags().Bool("all-of-it", false, "a|b")
	hidden := &cobra.Command{Use: "secret", Short: "Nobody knows", Hidden: true, Run: run}
	noun.AddCommand(verb, hidden)
	root.AddCommand(noun)
	return root
}

func TestPages(t *testing.T) {
	pages := Pages(program())
	var names []string
	for _, p := range pages {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "tool tool-completion tool-thing" {
		t.Errorf("pages %q", got)
	}
	text := pages[2].Markdown()
	for _, want := range []string{"# tool thing\n", "## tool thing get\n", "`-n, --namespace NAME` | the NAME of a namespace (default web) |", `a\|b`, `\*stars\*`, "tool thing get NAME [flags]"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	man := pages[2].Manual()
	for _, want := range []string{".TH \"TOOL\\-THING\" 8", `tool\-thing \- See a thing`, `\-\-all\-of\-it`, `a\eb`, "\n\\&.Dots"} {
		if !strings.Contains(man, want) {
			t.Errorf("%q is not in:\n%s", want, man)
		}
	}
	if strings.Contains(text+man, "Nobody") {
		t.Error("a hidden command is shown")
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := Check(program(), dir, false); err == nil || !strings.Contains(err.Error(), "make generate") {
		t.Errorf("no pages: %v", err)
	}
	old := filepath.Join(dir, "man", "tool", "tool-old.8")
	if err := write(old, "old"); err != nil {
		t.Fatal(err)
	}
	if err := Check(program(), dir, true); err != nil {
		t.Fatal(err)
	}
	if err := Check(program(), dir, false); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(old, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Check(program(), dir, false); err == nil || !strings.Contains(err.Error(), "about no command") {
		t.Errorf("a page that is left over: %v", err)
	}
}
