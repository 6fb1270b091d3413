package reference

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// section is the manual's: people's commands are in 1, servers in 8. It also keeps `ingot node` (1) apart from the program ingot-node (8).
func section(root *cobra.Command) string {
	if root.Name() == "ingot" {
		return "1"
	}
	return "8"
}

// Manual is a page for man, in the macros of man(7).
func (p Page) Manual() string {
	var b strings.Builder
	c := p.commands[0]
	root := c.Root()
	fmt.Fprintf(&b, ".TH %s %s \"\" \"Ingot\" \"Ingot manual\"\n", quoted(strings.ToUpper(p.Name)), section(root))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(p.Name), roff(c.Short))
	b.WriteString(".SH SYNOPSIS\n")
	for _, c := range p.commands {
		if c.Runnable() {
			fmt.Fprintf(&b, ".B %s\n.br\n", roff(c.UseLine()))
		}
	}
	if !c.HasParent() && len(shown(c)) > 0 {
		fmt.Fprintf(&b, ".B %s\n.I COMMAND\n", roff(c.Name()))
	}
	b.WriteString(".SH DESCRIPTION\n" + paragraphs(long(c)))
	manualFlags(&b, c)
	manualExample(&b, c)
	for _, sub := range p.commands[1:] {
		fmt.Fprintf(&b, ".SH %s\n%s", quoted(strings.ToUpper(strings.TrimPrefix(sub.CommandPath(), root.Name()+" "))), paragraphs(long(sub)))
		manualFlags(&b, sub)
		manualExample(&b, sub)
	}
	if root.Name() == "ingot" {
		b.WriteString(".SH EXIT STATUS\n0 done, or yes; 1 failed, or no; 2 a question without an answer; 3 what was named is not there; 4 not allowed; 5 a conflict with somebody else's change; 6 the API server cannot be reached or is too busy.\n")
	}
	manualSeeAlso(&b, p, root)
	return b.String()
}

func manualSeeAlso(b *strings.Builder, p Page, root *cobra.Command) {
	var others []string
	if p.commands[0].HasParent() {
		others = []string{root.Name()}
	} else {
		for _, c := range shown(root) {
			others = append(others, root.Name()+"-"+c.Name())
		}
	}
	for i, name := range others {
		if i == 0 {
			b.WriteString(".SH SEE ALSO\n")
		}
		end := ","
		if i == len(others)-1 {
			end = ""
		}
		fmt.Fprintf(b, ".BR %s (%s)%s\n", roff(name), section(root), end)
	}
}

func manualFlags(b *strings.Builder, c *cobra.Command) {
	if !c.Runnable() {
		return
	}
	for _, f := range flags(c) {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(f.names+" "+f.value)), roff(strings.Join(strings.Fields(f.text), " ")))
	}
}

func manualExample(b *strings.Builder, c *cobra.Command) {
	if c.Example == "" {
		return
	}
	b.WriteString(".PP\n.nf\n.RS\n")
	for line := range strings.Lines(c.Example) {
		b.WriteString(roff(strings.TrimRight(line, "\n")) + "\n")
	}
	b.WriteString(".RE\n.fi\n")
}

// paragraphs keeps the lines of a text that was laid out by hand, and its empty lines as the space between paragraphs.
func paragraphs(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.TrimSpace(line) == "":
			b.WriteString(".PP\n")
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			b.WriteString(".nf\n" + roff(line) + "\n.fi\n")
		default:
			b.WriteString(roff(line) + "\n")
		}
	}
	return b.String()
}

// roff escapes what has a meaning in roff: the backslash, a hyphen (which would be printed as another character), and a dot or an apostrophe at the line's beginning.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func quoted(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }
