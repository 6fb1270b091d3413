package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/account"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	own, given := account.Policy{Use: account.Own, RotateAfter: 90 * 24 * time.Hour}, account.Policy{Use: account.Given}
	asked := own
	asked.Asked = "today"
	leaves, leavesGiven := asked, given
	leaves.Leaves, leavesGiven.Leaves = true, true
	fresh, old := &account.Stored{SetAt: now.Add(-time.Hour)}, &account.Stored{SetAt: now.Add(-90 * 24 * time.Hour)}
	works := account.Trial{Worked: account.ByCurrent}
	for name, c := range map[string]struct {
		policy account.Policy
		stored *account.Stored
		trial  account.Trial
		want   account.Act
	}{
		"none wanted":                     {given, nil, account.Trial{}, account.Nothing},
		"first":                           {own, nil, account.Trial{}, account.Make},
		"the BMC has none":                {own, nil, account.Trial{}.Failed(now.Add(-time.Hour), true), account.Nothing},
		"failed a moment ago":             {own, nil, account.Trial{}.Failed(now, false), account.Nothing},
		"failed a while ago":              {own, nil, account.Trial{}.Failed(now.Add(-5*time.Minute), false), account.Make},
		"content":                         {own, fresh, works, account.Nothing},
		"old":                             {own, old, works, account.Rotate},
		"old, never rotated":              {account.Policy{Use: account.Own}, old, works, account.Nothing},
		"asked for":                       {asked, fresh, works, account.Rotate},
		"asked for and done":              {asked, &account.Stored{SetAt: now, Asked: "today"}, works, account.Nothing},
		"not wanted any more":             {given, fresh, works, account.Remove},
		"nothing tried yet":               {own, old, account.Trial{}, account.Nothing},
		"refused, the given one works":    {own, old, account.Trial{Worked: account.ByGiven, CurrentRefusedAt: now}, account.SetAgain},
		"died before it was set":          {asked, fresh, account.Trial{Worked: account.ByPrevious}, account.SetAgain},
		"the BMC doesn't like it":         {own, fresh, account.Trial{Worked: account.ByGiven, CurrentRefusedAt: now, Failures: 2, FailedAt: now.Add(-time.Hour)}, account.Make},
		"set, and refused at once":        {own, fresh, account.Trial{}.Changed().Refused(account.ByCurrent, now).Took(account.ByGiven), account.Nothing},
		"set, and refused a while ago":    {own, fresh, account.Trial{}.Changed().Refused(account.ByCurrent, now.Add(-2*time.Hour)).Took(account.ByGiven), account.Make},
		"removed though it doesn't work":  {given, fresh, account.Trial{Worked: account.ByGiven}, account.Remove},
		"not removed right after failure": {given, fresh, works.Failed(now, false), account.Nothing},
		"leaves, and is let go of":        {leaves, nil, account.Trial{}, account.Nothing},
		"leaves, and was never tried":     {leaves, nil, account.Trial{}.Took(account.ByGiven), account.Nothing},
		"leaves with an old password":     {leaves, old, works, account.Nothing},
		"leaves, refused":                 {leaves, fresh, account.Trial{Worked: account.ByGiven, CurrentRefusedAt: now}, account.Nothing},
		"leaves, not wanted any more":     {leavesGiven, fresh, works, account.Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			if got := account.Decide(c.policy, c.stored, c.trial, now); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestParseUse(t *testing.T) {
	for _, c := range []struct {
		host string
		site account.Use
		want account.Use
		bad  bool
	}{{"", "", account.Own, false}, {"", account.Given, account.Given, false}, {"own", account.Given, account.Own, false}, {"given", "", account.Given, false}, {"Own", "", account.Given, true}} {
		got, err := account.ParseUse(c.host, c.site)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("host %q, site %q: %q, %v", c.host, c.site, got, err)
		}
	}
}

func TestName(t *testing.T) {
	a, b := account.Name("hosts", "a"), account.Name("hosts", "b")
	if a == b || len(a) > 16 || a != account.Name("hosts", "a") || account.Name("x", "y-z") == account.Name("x-y", "z") {
		t.Errorf("%q, %q", a, b)
	}
}

func TestNewPassword(t *testing.T) {
	for _, c := range []struct {
		rules  account.Rules
		length int
	}{
		{account.Rules{}, 20}, {account.Rules{MinLength: 8, MaxLength: 40}, 20}, {account.Rules{MaxLength: 16}, 16}, {account.Rules{MinLength: 24, MaxLength: 64}, 24}, {account.Rules{MaxLength: 12}, 12},
		{account.Rules{MaxLength: 8}, 0}, {account.Rules{MinLength: 65}, 0}, {account.Rules{MinLength: 30, MaxLength: 20}, 0},
	} {
		seen, n := map[string]bool{}, uint64(1)
		for range 200 {
			p, err := account.NewPassword(c.rules, func(limit int) int {
				n = n*6364136223846793005 + 1442695040888963407
				return int((n >> 33) % uint64(limit))
			})
			if (err != nil) != (c.length == 0) || len(p) != c.length {
				t.Fatalf("%+v: %d characters, %v", c.rules, len(p), err)
			}
			if err != nil {
				break
			}
			if seen[p] || !strings.ContainsAny(p, "-_.") || !strings.ContainsAny(p, "23456789") || strings.ToLower(p) == p || strings.ToUpper(p) == p {
				t.Fatalf("%+v: %q", c.rules, p)
			}
			seen[p] = true
		}
	}
}
