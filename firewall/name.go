package firewall

import (
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
)

// ByRule names a rule of a policy as what decided: its place, counted from 0, as in the manifest.
func ByRule(policy string, d calico.Direction, index int) string {
	return policy + "/" + strings.ToLower(string(d)) + "/" + strconv.Itoa(index)
}

// ByProfile names a rule of a profile.
func ByProfile(profile string, d calico.Direction, index int) string {
	return "profile/" + ByRule(profile, d, index)
}

// ByTier names the end of a tier whose default action is Deny.
func ByTier(tier string) string { return "tier/" + tier + "/end" }
