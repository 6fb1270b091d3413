package member

import "testing"

// TestExpelled has lines as tailscale v1.101.0-pre writes them.
func TestExpelled(t *testing.T) {
	for line, want := range map[string]bool{
		"control: [v1] PollNetMap: initial fetch failed 404: node not found":                          true,
		"Received error: PollNetMap: initial fetch failed 404: node not found":                        true,
		"control: lite map update error after 3ms: initial fetch failed 404: node not found":          false,
		"control: [v1] PollNetMap: initial fetch failed 502: bad gateway":                             false,
		"Received error: PollNetMap: Post \"https://192.0.2.1:8449/machine/map\": connection refused": false,
		"control: mapRoutine: [v1] backoff: 12922 msec":                                               false,
	} {
		if got := expelled(line, false); got != want {
			t.Errorf("expelled(%q) = %v", line, got)
		}
	}
	const login = "control: AuthURL is https://192.0.2.1:8449/register/hskey-authreq-x"
	if !expelled(login, true) || expelled(login, false) {
		t.Errorf("%q is not told from the same of who joins", login)
	}
}
