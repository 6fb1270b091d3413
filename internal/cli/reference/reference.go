// Package reference writes the pages about a program's commands: Markdown for the site, and manual pages for man.
//
// It owns how a page looks, and the comparison of pages that are committed with what the program says of itself. It refuses words of its own: what stands in a page stands in the command, so that the help and the
// page cannot differ. One page holds a noun with all of its verbs, since people read them together.
//
// Invariants: the same commands give the same bytes, on whatever machine; each command that the help shows is on exactly one page.
package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Page is one noun of a program with its verbs, or the program itself.
type Page struct {
	// Name is the words of the command with hyphens: ingot-host.
	Name     string
	commands []*cobra.Command
}

// Pages are those of a program: the program's own, then each noun's.
func Pages(root *cobra.Command) []Page {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	first := Page{Name: root.Name(), commands: []*cobra.Command{root}}
	var rest []Page
	for _, c := range shown(root) {
		rest = append(rest, Page{Name: root.Name() + "-" + c.Name(), commands: append([]*cobra.Command{c}, below(c)...)})
	}
	return append([]Page{first}, rest...)
}

// shown are the commands that the help of c lists.
func shown(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			all = append(all, sub)
		}
	}
	slices.SortFunc(all, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

func below(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range shown(c) {
		all = append(all, sub)
		all = append(all, below(sub)...)
	}
	return all
}

// long is what a command says of itself.
func long(c *cobra.Command) string {
	if c.Long != "" {
		return strings.TrimSpace(c.Long)
	}
	return strings.TrimSuffix(c.Short, ".") + "."
}

// flag is one flag as a page shows it.
type flag struct{ names, value, text string }

// flags are a command's own, and those that it has of the commands above it.
func flags(c *cobra.Command) []flag {
	var all []flag
	seen := map[string]bool{}
	add := func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || seen[f.Name] {
			return
		}
		seen[f.Name] = true
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		value, usage := pflag.UnquoteUsage(f)
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" && !strings.Contains(usage, "(default") {
			usage += " (default " + d + ")"
		}
		all = append(all, flag{names, value, usage})
	}
	c.NonInheritedFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	slices.SortFunc(all, func(a, b flag) int {
		return strings.Compare(strings.TrimLeft(a.names[strings.Index(a.names, "--"):], "-"), strings.TrimLeft(b.names[strings.Index(b.names, "--"):], "-"))
	})
	return all
}

// Markdown is a page for the site.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", strings.Join(strings.Fields(p.commands[0].CommandPath()), " "))
	for i, c := range p.commands {
		if i > 0 {
			fmt.Fprintf(&b, "## %s\n\n", c.CommandPath())
		}
		markdownCommand(&b, c)
		if i == 0 && len(p.commands) == 1 && !c.HasParent() {
			markdownNouns(&b, c)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func markdownNouns(b *strings.Builder, root *cobra.Command) {
	commands := shown(root)
	if len(commands) == 0 {
		return
	}
	b.WriteString("| command | |\n|---|---|\n")
	for _, c := range commands {
		fmt.Fprintf(b, "| [%s](%s-%s.md) | %s |\n", c.CommandPath(), root.Name(), c.Name(), cell(prose(c.Short)))
	}
	b.WriteString("\n")
}

func markdownCommand(b *strings.Builder, c *cobra.Command) {
	b.WriteString(prose(long(c)) + "\n\n")
	if c.Runnable() {
		fmt.Fprintf(b, "```text\n%s\n```\n\n", c.UseLine())
	}
	if len(c.Aliases) > 0 {
		fmt.Fprintf(b, "Also: %s.\n\n", strings.Join(c.Aliases, ", "))
	}
	if c.Example != "" {
		fmt.Fprintf(b, "```text\n%s\n```\n\n", strings.TrimRight(c.Example, "\n"))
	}
	all := flags(c)
	if !c.Runnable() || len(all) == 0 {
		return
	}
	b.WriteString("| flag | |\n|---|---|\n")
	for _, f := range all {
		name := "`" + f.names + "`"
		if f.value != "" {
			name = "`" + f.names + " " + f.value + "`"
		}
		fmt.Fprintf(b, "| %s | %s |\n", cell(name), cell(prose(f.text)))
	}
	b.WriteString("\n")
}

// prose keeps Markdown from reading marks into text that was written for a terminal.
func prose(s string) string {
	return strings.NewReplacer("<", `\<`, "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// Check compares the pages of a program with those that are committed below folder: reference/cli/PROGRAM/*.md and man/PROGRAM/*. With update they are written anew.
func Check(root *cobra.Command, folder string, update bool) error {
	files := map[string]string{}
	for _, p := range Pages(root) {
		files[filepath.Join(folder, "reference", "cli", root.Name(), p.Name+".md")] = p.Markdown()
		files[filepath.Join(folder, "man", root.Name(), p.Name+"."+section(root))] = p.Manual()
	}
	var problems []error
	for file, want := range files {
		if update {
			problems = append(problems, write(file, want))
			continue
		}
		// A page that cannot be read is as good as another text.
		if got, _ := os.ReadFile(file); string(got) != want {
			problems = append(problems, fmt.Errorf("%s is not what %s says of itself: run make generate and commit", file, root.Name()))
		}
	}
	for _, kind := range []string{filepath.Join("reference", "cli"), "man"} {
		problems = append(problems, leftOver(filepath.Join(folder, kind, root.Name()), files, update))
	}
	return errors.Join(problems...)
}

// leftOver finds pages of commands that are no more.
func leftOver(folder string, files map[string]string, update bool) error {
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	var problems []error
	for _, file := range found {
		switch {
		case files[file] != "":
		case update:
			problems = append(problems, os.Remove(file))
		default:
			problems = append(problems, fmt.Errorf("%s is about no command: run make generate and commit", file))
		}
	}
	return errors.Join(problems...)
}

func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
