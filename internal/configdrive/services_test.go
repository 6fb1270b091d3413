package configdrive

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/secret"
)

func TestWithNameServers(t *testing.T) {
	servers := []string{"10.0.0.53", "fd00::53"}
	const added = `{"type":"dns","address":"10.0.0.53"},{"type":"dns","address":"fd00::53"}`
	for in, want := range map[string]string{
		``:                             ``,
		`{"links":[]}`:                 `{"links":[],"services":[` + added + `]}`,
		`{"links":[],"services":null}`: `{"links":[],"services":[` + added + `]}`,
		`{"services":[{"type":"ntp","address":"10.0.0.1"}]}`:      `{"services":[{"type":"ntp","address":"10.0.0.1"},` + added + `]}`,
		`{"services":[{"type":"dns","address":"9.9.9.9"}]}`:       `{"services":[{"type":"dns","address":"9.9.9.9"}]}`,
		`{"networks":[{"id":"a","services":[{"type":"dns"}]}]}`:   `{"networks":[{"id":"a","services":[{"type":"dns"}]}]}`,
		`{"networks":[{"id":"a","dns_nameservers":["9.9.9.9"]}]}`: `{"networks":[{"id":"a","dns_nameservers":["9.9.9.9"]}]}`,
		`{"networks":[{"id":"a"}]}`:                               `{"networks":[{"id":"a"}],"services":[` + added + `]}`,
		`{"services":"none"}`:                                     `{"services":"none"}`, `[]`: `[]`, `null`: `null`, `{"networks":7}`: `{"networks":7}`, `{"services":[7]}`: `{"services":[7]}`,
	} {
		if got := string(WithNameServers([]byte(in), servers)); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
		if got := string(WithNameServers([]byte(in), nil)); got != in {
			t.Errorf("%s becomes %s without servers", in, got)
		}
	}
}

func TestReportTellsTheTimeServers(t *testing.T) {
	for _, servers := range [][]string{nil, {"10.0.0.123", "ntp.example.net"}} {
		v, err := FirstBootReport(Report{URL: "https://ingot/", Token: secret.New("t"), NTPServers: servers})
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			NTP *struct {
				Enabled bool     `json:"enabled"`
				Servers []string `json:"servers"`
			} `json:"ntp"`
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(v.CloudInit, "#cloud-config\n")), &c); err != nil {
			t.Fatal(err)
		}
		if (c.NTP == nil) != (servers == nil) || c.NTP != nil && (!c.NTP.Enabled || !slices.Equal(c.NTP.Servers, servers)) {
			t.Error(cmp.Diff(servers, c.NTP))
		}
	}
}

func FuzzWithNameServers(f *testing.F) {
	for _, s := range []string{`{"links":[],"networks":[{"id":"a","type":"ipv4_dhcp","link":"l"}],"services":[{"type":"dns","address":"10.0.0.1"}]}`, `{}`, `null`, `{"services":[]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out := WithNameServers(in, []string{"10.0.0.53"})
		if json.Valid(in) != json.Valid(out) {
			t.Fatalf("%q becomes %q", in, out)
		}
		if again := WithNameServers(out, []string{"10.0.0.54"}); json.Valid(in) && string(again) != string(out) && string(out) != string(in) {
			t.Fatalf("%q has servers, and becomes %q", out, again)
		}
	})
}
