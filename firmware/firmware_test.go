package firmware

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func of[T any](v T) *T { return &v }

func bios() map[string]Setting {
	return map[string]Setting{
		"BootMode":      {Kind: Enumeration, Values: []string{"Uefi", "Bios"}},
		"Empty":         {Kind: Enumeration},
		"Retries":       {Kind: Integer, Lowest: of(int64(-1)), Highest: of(int64(10))},
		"Any":           {Kind: Integer},
		"Sriov":         {Kind: Boolean},
		"AssetTag":      {Kind: String, MinLength: of(2), MaxLength: of(4)},
		"Free":          {Kind: String},
		"SetupPassword": {Kind: String},
		"Secret":        {Kind: Password},
		"Serial":        {Kind: String, ReadOnly: true, Unique: true},
		"Undescribed":   {},
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		setting, value string
		// why is a part of the message; empty: allowed.
		why string
	}{
		"enumeration":              {"BootMode", "Bios", ""},
		"enumeration, other case":  {"BootMode", "bios", `cannot be "bios": it is one of "Uefi", "Bios"`},
		"enumeration, no values":   {"Empty", "x", "no value that the BMC lists"},
		"integer":                  {"Retries", "10", ""},
		"integer, lowest":          {"Retries", "-1", ""},
		"integer, too low":         {"Retries", "-2", "the lowest value is -1"},
		"integer, too high":        {"Retries", "11", "the highest value is 10"},
		"integer, a word":          {"Retries", "many", "a whole number"},
		"integer, a fraction":      {"Retries", "1.5", "a whole number"},
		"integer, beyond 64 bits":  {"Any", "99999999999999999999", "a whole number"},
		"integer without a bound":  {"Any", "123456789", ""},
		"boolean":                  {"Sriov", "true", ""},
		"boolean, a number":        {"Sriov", "1", "true or false"},
		"string":                   {"AssetTag", "ab", ""},
		"string in characters":     {"AssetTag", "äöüß", ""},
		"string, too short":        {"AssetTag", "a", "at least 2"},
		"string, too long":         {"AssetTag", "abcde", "at most 4"},
		"string, control":          {"Free", "a\nb", "control characters"},
		"password by kind":         {"Secret", "x", "is a password"},
		"password by name":         {"SetupPassword", "x", "is a password"},
		"read-only":                {"Serial", "x", "is read-only"},
		"not described":            {"Undescribed", "x", ""},
		"not a setting":            {"bootMode", "Uefi", "is not a setting"},
		"a long value is cut":      {"BootMode", strings.Repeat("x", 500), "…"},
		"a value of half a letter": {"BootMode", strings.Repeat("ä", 200), "…"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Check(bios(), map[string]string{c.setting: c.value})
			if (len(got) == 0) != (c.why == "") {
				t.Fatalf("problems %v, want %q", got, c.why)
			}
			if len(got) > 0 && (got[0].Name != c.setting || !strings.Contains(got[0].Message, c.why) || len(got[0].Message) > 300) {
				t.Fatalf("problem %q, want %q", got[0], c.why)
			}
		})
	}
}

func TestCheckNamesEveryProblem(t *testing.T) {
	got := Check(bios(), map[string]string{"Serial": "x", "BootMode": "x", "Sriov": "true", "Nothing": "x"})
	var names []string
	for _, p := range got {
		names = append(names, p.Name)
	}
	if want := []string{"BootMode", "Nothing", "Serial"}; !slices.Equal(names, want) {
		t.Errorf("problems of %v, want %v", names, want)
	}
}

func TestListedIsBounded(t *testing.T) {
	var all []Problem
	for range 400 {
		all = append(all, Problem{Name: "ASettingOfSomeLength", Message: "is read-only"})
	}
	if got := Listed(all); len(got) > 2000 || !strings.HasSuffix(got, "more") {
		t.Errorf("%d bytes: …%s", len(got), got[len(got)-30:])
	}
	if got := Listed(all[:2]); got != "ASettingOfSomeLength is read-only; ASettingOfSomeLength is read-only" {
		t.Error(got)
	}
}

func TestDiffering(t *testing.T) {
	current := map[string]string{"BootMode": "Uefi", "Retries": "7", "Sriov": "True", "Undescribed": "9", "Free": "1"}
	for name, c := range map[string]struct {
		wanted map[string]string
		differ []string
	}{
		"nothing wanted":            {nil, nil},
		"in force":                  {map[string]string{"BootMode": "Uefi", "Retries": "7"}, nil},
		"another value":             {map[string]string{"BootMode": "Bios", "Retries": "7"}, []string{"BootMode"}},
		"one integer in two texts":  {map[string]string{"Retries": "+7"}, nil},
		"one boolean in two texts":  {map[string]string{"Sriov": "true"}, nil},
		"the other boolean":         {map[string]string{"Sriov": "false"}, []string{"Sriov"}},
		"texts are not numbers":     {map[string]string{"Free": "01"}, []string{"Free"}},
		"undescribed, same number":  {map[string]string{"Undescribed": "09"}, nil},
		"undescribed, other number": {map[string]string{"Undescribed": "8"}, []string{"Undescribed"}},
		"the BMC does not show it":  {map[string]string{"AssetTag": "ab"}, []string{"AssetTag"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := slices.Sorted(maps.Keys(Differing(bios(), c.wanted, current)))
			if !slices.Equal(got, c.differ) {
				t.Errorf("%v differ, want %v", got, c.differ)
			}
		})
	}
}

// TestInForceNeverDiffers: once what differs was taken, nothing does, whatever the settings.
func TestInForceNeverDiffers(t *testing.T) {
	names := slices.Sorted(maps.Keys(bios()))
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.MapOf(rapid.SampledFrom(names), rapid.String())
		wanted, current := some.Draw(t, "wanted"), some.Draw(t, "current")
		maps.Copy(current, Differing(bios(), wanted, current))
		if left := Differing(bios(), wanted, current); len(left) > 0 {
			t.Fatalf("%v still differ", left)
		}
	})
}
