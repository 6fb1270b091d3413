package redfish

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firmware"
)

// registryDoc has what real registries have: texts for numbers, negative and missing bounds, types of a vendor's own, gaps.
const registryDoc = `{"@odata.type":"#AttributeRegistry.v1_3_6.AttributeRegistry","Id":"BiosAttributeRegistry.v1_0_0","Language":"en","RegistryVersion":"1.0.0",
"RegistryEntries":{"Attributes":[
{"AttributeName":"BootMode","Type":"Enumeration","Value":[{"ValueName":"Uefi","ValueDisplayName":"UEFI"},{"ValueName":"Bios"}],"ReadOnly":false,"ResetRequired":true},
{"AttributeName":"AcPwrRcvryUserDelay","Type":"Integer","LowerBound":60,"UpperBound":"600","ScalarIncrement":1},
{"AttributeName":"Offset","Type":"Integer","LowerBound":-12,"UpperBound":1.5e1},
{"AttributeName":"AssetTag","Type":"String","MinLength":0,"MaxLength":63},
{"AttributeName":"SysPassword","Type":"Password","MinLength":0,"MaxLength":32,"ValueExpression":"^.*$"},
{"AttributeName":"Serial","Type":"String","MaxLength":-1,"ReadOnly":true,"IsSystemUniqueProperty":true},
{"AttributeName":"Fixed","Type":"Boolean","Immutable":"true"},
{"AttributeName":"Odd","Type":"Colour","UpperBound":"blue"},
{"AttributeName":""},{"AttributeName":"a\u0007b"},{"AttributeName":7,"Value":{"ValueName":"x"},"Type":"Enumeration"},null,"text",[1]
],"Dependencies":[{"DependencyFor":"BootMode","Type":"Map"}]}}`

func of[T any](v T) *T { return &v }

func TestParseRegistry(t *testing.T) {
	got, err := parseRegistry([]byte(registryDoc), "GET /r", "BiosAttributeRegistry.v1_0_0")
	if err != nil {
		t.Fatal(err)
	}
	want := firmware.Registry{Name: "BiosAttributeRegistry.v1_0_0", Settings: map[string]firmware.Setting{
		"BootMode":            {Kind: firmware.Enumeration, Values: []string{"Uefi", "Bios"}},
		"AcPwrRcvryUserDelay": {Kind: firmware.Integer, Lowest: of(int64(60)), Highest: of(int64(600))},
		"Offset":              {Kind: firmware.Integer, Lowest: of(int64(-12)), Highest: of(int64(15))},
		"AssetTag":            {Kind: firmware.String, MinLength: of(0), MaxLength: of(63)},
		"SysPassword":         {Kind: firmware.Password},
		"Serial":              {Kind: firmware.String, ReadOnly: true, Unique: true},
		"Fixed":               {Kind: firmware.Boolean, ReadOnly: true},
		"Odd":                 {},
		"7":                   {Kind: firmware.Enumeration, Values: []string{"x"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("registry (-want +got):\n%s", diff)
	}
}

// FuzzParseRegistry: whatever a BMC says, the registry is bounded, and fit for an object of the API.
func FuzzParseRegistry(f *testing.F) {
	for _, seed := range []string{
		registryDoc, `{"Id":"x"}`, `{"Id":"x","RegistryEntries":null}`, `{"Id":"x","RegistryEntries":{"Attributes":{"AttributeName":"a","Type":"Integer","LowerBound":1e99}}}`,
		`{"Id":"x","RegistryEntries":{"Attributes":[{"AttributeName":"a","Type":"Enumeration","Value":[{},{"ValueName":null}]}]}}`, "", "null", "<html>", `{"@odata.type":"#Bios.v1.Bios"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRegistry(body, "GET /r", "R")
		if err != nil {
			if !strings.Contains(err.Error(), "GET /r") {
				t.Errorf("an error without a place: %v", err)
			}
			return
		}
		if len(r.Settings) > maxSettings {
			t.Errorf("%d settings", len(r.Settings))
		}
		for name, s := range r.Settings {
			if !soundName(name) || len(s.Values) > maxValues {
				t.Errorf("setting %q with %d values", name, len(s.Values))
			}
			for _, v := range s.Values {
				if !utf8.ValidString(v) || len(v) > 3*maxSettingText {
					t.Errorf("setting %q may be %q", name, v)
				}
			}
			// A value that is shown is checked without a panic, whatever the limits.
			firmware.Check(r.Settings, map[string]string{name: "1"})
		}
	})
}

// FuzzBIOSAttributes: the same of the settings themselves.
func FuzzBIOSAttributes(f *testing.F) {
	for _, seed := range []string{
		`{"Id":"Bios","AttributeRegistry":"R","Attributes":{"A":"x","B":7,"C":true,"D":null,"E":{"x":1},"F":[1],"G\u0000":"x","H":-1.5},"@Redfish.Settings":{"SettingsObject":{"@odata.id":"/s"}}}`,
		`{"Id":"Bios","Attributes":[]}`, `{"Id":"Bios","Attributes":{"":""},"@Redfish.Settings":7}`, "", "null", "<html>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var view biosView
		if decode(body, "GET /b", "Bios", &view) != nil {
			return
		}
		for name, value := range settingsOf(view) {
			if !soundName(name) || !utf8.ValidString(value) || len(value) > 3*maxSettingText {
				t.Errorf("setting %q is %q", name, value)
			}
			_ = typed(view.Attributes.V[name], value)
		}
	})
}
