package markdown

import (
	"slices"
	"strconv"
	"strings"
)

// maxName is RFC 1123's limit of a label.
const maxName = 63

// anybody are the cells that mean every role, or every zone.
var anybody = []string{"*", "any", "(any)", "anybody"}

func isAny(cell string) bool { return slices.Contains(anybody, strings.ToLower(cell)) }

// unlisted are the zones that stand for a gap.
var unlisted = []string{"unknown", "various", "?", "n/a", "tbd"}

func isUnlisted(zone string) bool { return slices.Contains(unlisted, strings.ToLower(zone)) }

// names gives each title a label of its own. A title keeps its label; another title that makes the same one gets a number.
type names struct {
	// fallback is for titles without any letter of a label.
	fallback string
	of       map[string]string
	taken    map[string]bool
	// last is the last number that a base and ending got, so that a thousand titles of one label are a thousand tries and not a million.
	last map[[2]string]int
}

func newNames(fallback string) names {
	return names{fallback, map[string]string{}, map[string]bool{}, map[[2]string]int{}}
}

// name also says whether the title is new.
func (n names) name(title string) (string, bool) {
	if name, ok := n.of[title]; ok {
		return name, false
	}
	base := label(title)
	if base == "" {
		base = n.fallback
	}
	name := n.free(base, "")
	n.of[title] = name
	return name, true
}

// maxNumber is how many characters the number of a name that is taken may have, with its dash: a text of a gigabyte has no more titles.
const maxNumber = 9

// free makes a name that nobody has: the base, shortened so that the ending fits, and a number where it is taken.
func (n names) free(base, ending string) string {
	cut := func(room int) string { return strings.TrimRight(base[:min(len(base), room-len(ending))], "-") }
	if name := cut(maxName) + ending; !n.taken[name] {
		n.taken[name] = true
		return name
	}
	base = cut(maxName - maxNumber)
	counted := [2]string{base, ending}
	for i := max(n.last[counted]+1, 2); ; i++ {
		name := base + ending + "-" + strconv.Itoa(i)
		if !n.taken[name] {
			n.taken[name], n.last[counted] = true, i
			return name
		}
	}
}

// label is a title in the letters of RFC 1123: "Metal Control Plane" is metal-control-plane.
func label(title string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(title) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	s := b.String()
	return strings.Trim(s[:min(len(s), maxName)], "-")
}
