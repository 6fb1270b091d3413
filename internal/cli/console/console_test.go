package console

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestReplay(t *testing.T) {
	const cast = `{"version":2,"width":80,"height":24}
[0.5,"o","login: "]
[1.0,"i","root"]
[2.0,"o","# "]
[2.5,"m","over"]
`
	var pauses []time.Duration
	pause := func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
	var out strings.Builder
	if err := replay(t.Context(), &out, strings.NewReader(cast), pause); err != nil {
		t.Fatal(err)
	}
	if out.String() != "login: # \r\n[ingot: over]\r\n" || len(pauses) != 4 || pauses[2] != time.Second {
		t.Errorf("%q %v", out.String(), pauses)
	}
	for _, bad := range []string{"", "hello\n", `{"version":2}` + "\n" + `[1,"o"`} {
		if err := replay(t.Context(), &out, strings.NewReader(bad), pause); err == nil {
			t.Errorf("%q is shown", bad)
		}
	}
	stop := errors.New("stop")
	if err := replay(t.Context(), &out, strings.NewReader(cast), func(context.Context, time.Duration) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestThePartitionIsChosen(t *testing.T) {
	site := func(name, endpoint string) ingot.Partition {
		p := ingot.Partition{}
		p.Name, p.Status.ConsoleEndpoint = name, endpoint
		return p
	}
	a, b, none := site("a", "https://a"), site("b", "https://b"), site("none", "")
	for _, c := range []struct {
		all        []ingot.Partition
		name, want string
	}{
		{[]ingot.Partition{a, none}, "", "a"}, {[]ingot.Partition{a, b}, "b", "b"}, {[]ingot.Partition{a, b}, "", ""}, {[]ingot.Partition{none}, "", ""}, {[]ingot.Partition{a, none}, "none", ""}, {nil, "", ""},
	} {
		p, err := choose(c.all, c.name)
		if (err == nil) != (c.want != "") || p != nil && p.Name != c.want {
			t.Errorf("%q of %d: %v, %v", c.name, len(c.all), p, err)
		}
	}
}

// TestCredentialsAreOnlyRead: the token is taken from the configuration, and nothing is sent for that.
func TestCredentialsAreOnlyRead(t *testing.T) {
	h, err := credentials(t.Context(), &rest.Config{Host: "https://127.0.0.1:1", BearerToken: "abc"})
	if err != nil || h.Get("Authorization") != "Bearer abc" || len(h) != 1 {
		t.Errorf("%v %v", h, err)
	}
	h, err = credentials(t.Context(), &rest.Config{Host: "https://127.0.0.1:1"})
	if err != nil || len(h) != 0 {
		t.Errorf("%v %v", h, err)
	}
}
