package host

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestManagementServicesAreTriedInOrder(t *testing.T) {
	for name, c := range map[string]struct {
		services, asked []string
		fails           string
	}{
		"none":          {nil, []string{"endpoint:1"}, ""},
		"the first":     {[]string{"up:1", "up:2"}, []string{"up:1"}, ""},
		"the second":    {[]string{"down:1", "up:2"}, []string{"down:1", "up:2"}, ""},
		"none of them":  {[]string{"down:1", "down:2"}, []string{"down:1", "down:2"}, "management service down:2: refused"},
		"never our own": {[]string{"down:1"}, []string{"down:1"}, "management service down:1"},
	} {
		var asked []string
		to := func(_ context.Context, _, address string) (net.Conn, error) {
			if asked = append(asked, address); strings.HasPrefix(address, "down") {
				return nil, errors.New("refused")
			}
			a, _ := net.Pipe()
			return a, nil
		}
		conn, err := viaServices(c.services, to)(t.Context(), "tcp", "endpoint:1")
		if !slices.Equal(asked, c.asked) || (conn == nil) != (c.fails != "") || c.fails != "" && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: asked %v: %v", name, asked, err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}
