package ruleset

import "fmt"

// Name is what a rule is called: what decides, as package firewall names it, and its row of the communication matrix, or empty.
type Name struct{ ID, Flow string }

// Names are the rules' names by their comments in the kernel, in which long names are cut.
func (r *Ruleset) Names() map[string]Name {
	names := map[string]Name{}
	for _, chains := range [][]*Chain{r.Base, r.Chains} {
		for _, c := range chains {
			for i := range c.Rules {
				if rule := &c.Rules[i]; rule.ID != "" {
					names[plain(comment(rule))] = Name{rule.ID, rule.Flow}
				}
			}
		}
	}
	return names
}

// Uninstall is the text that takes the table away with everything in it: the host is as it was found. It holds where the table is not there, too.
func (r *Ruleset) Uninstall() string {
	return fmt.Sprintf("add table inet %s\ndelete table inet %s\n", r.Table, r.Table)
}
