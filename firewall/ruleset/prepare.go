package ruleset

import "strings"

// Prepare is the permanent part alone: the table, its base chains and their maps. It changes nothing for packets, since the maps are empty where they are new and
// stay as they are where they are not. A trial on a host that has no table yet, or not all base chains, is Prepare and Try in one transaction.
func (r *Ruleset) Prepare() string {
	var b strings.Builder
	r.permanent(&b)
	return b.String()
}
