package support

import (
	"bytes"
	"strings"
	"testing"
)

// TestLogsLoseTheirSecrets has a credential in every form in which a log may have one. What stands around it in other lines stays.
func TestLogsLoseTheirSecrets(t *testing.T) {
	const canary = "c4n4ry-S3cret-Value"
	for _, line := range []string{
		`{"msg":"login","password":"` + canary + `"}`,
		`{"msg":"login","err":"POST https://root:` + canary + `@bmc.example/redfish: refused"}`,
		`{"msg":"x","deep":{"list":[{"authToken":"` + canary + `"}]}}`,
		`{"msg":"x","err":"Authorization: Bearer ` + canary + `"}`,
		`{"msg":"x","err":"-----BEGIN EC PRIVATE KEY-----\n` + canary + `\n-----END EC PRIVATE KEY-----"}`,
		`{"msg":"x","url":"https://registry.example/image?sig=` + canary + `"}`,
		`{"msg":"x","userData":"#cloud-config\n` + canary + `"}`,
		`password=` + canary,
		`token: ` + canary,
		`fetch https://u:` + canary + `@registry.example/image failed`,
		"-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----",
		"-----BEGIN RSA PRIVATE KEY-----\n" + canary,
		"panic: jwt eyJhbGciOiJSUzI1NiJ9." + strings.ReplaceAll(canary, "-", "") + ".abcdefgh",
	} {
		// A cut-off key takes all that follows, so the harmless line comes first.
		got := string(redactLines([]byte("{\"msg\":\"role starts\",\"machine\":\"default/node-0\"}\n" + line + "\n")))
		if strings.Contains(got, canary) || strings.Contains(got, strings.ReplaceAll(canary, "-", "")) {
			t.Errorf("%q is kept:\n%s", line, got)
		}
		if !strings.Contains(got, "role starts") || !strings.Contains(got, "default/node-0") {
			t.Errorf("beside %q the rest is lost:\n%s", line, got)
		}
	}
}

func TestHealthAddress(t *testing.T) {
	log := `{"msg":"health endpoint open","address":"127.0.0.1:1"}` + "\nno JSON: health endpoint open\n" + `{"msg":"health endpoint open","address":"127.0.0.1:2"}` + "\n" + `{"msg":"other","address":"127.0.0.1:3"}` + "\n"
	if got := healthAddress([]byte(log)); got != "127.0.0.1:2" {
		t.Errorf("address %q", got)
	}
	if got := healthAddress(nil); got != "" {
		t.Errorf("no log: %q", got)
	}
}

func FuzzRedactLines(f *testing.F) {
	f.Add([]byte(`{"msg":"login","password":"x"}`))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nx"))
	f.Add([]byte("plain\r\n{not json}\n\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := redactLines(text)
		if bytes.Contains(got, []byte("PRIVATE KEY-----\n")) && bytes.Contains(got, []byte("-----BEGIN PRIVATE KEY-----")) {
			t.Errorf("a key is kept: %q", got)
		}
	})
}
