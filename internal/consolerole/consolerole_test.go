package consolerole

import (
	"testing"

	"k8s.io/client-go/rest"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

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
		p, err := Choose(c.all, c.name)
		if (err == nil) != (c.want != "") || p != nil && p.Name != c.want {
			t.Errorf("%q of %d: %v, %v", c.name, len(c.all), p, err)
		}
	}
}

// TestCredentialsAreOnlyRead: the token is taken from the configuration, and nothing is sent for that.
func TestCredentialsAreOnlyRead(t *testing.T) {
	h, err := Credentials(t.Context(), &rest.Config{Host: "https://127.0.0.1:1", BearerToken: "abc"})
	if err != nil || h.Get("Authorization") != "Bearer abc" || len(h) != 1 {
		t.Errorf("%v %v", h, err)
	}
	h, err = Credentials(t.Context(), &rest.Config{Host: "https://127.0.0.1:1"})
	if err != nil || len(h) != 0 {
		t.Errorf("%v %v", h, err)
	}
}
