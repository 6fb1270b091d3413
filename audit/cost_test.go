package audit

import (
	"fmt"
	"testing"
)

// BenchmarkRedact is what the body of a change costs: a patch of a host, and a whole host as kubectl applies it.
func BenchmarkRedact(b *testing.B) {
	host := Object{Group: "metal3.io", Resource: "baremetalhosts"}
	labels := ""
	for i := range 20 {
		labels += fmt.Sprintf(`"example.com/label-%d":"value of number %d",`, i, i)
	}
	for name, body := range map[string]string{
		"patch": `{"spec":{"description":"write 7","image":{"url":"https://images.example/debian-7.raw","checksum":"0000000000000000000000000000000000000000000000000000000000000007"}}}`,
		"host": `{"apiVersion":"metal3.io/v1alpha1","kind":"BareMetalHost","metadata":{"name":"rack1-server1","namespace":"fleet","labels":{` + labels + `"a":"b"}},
"spec":{"online":true,"bmc":{"address":"redfish-virtualmedia://10.0.0.1/redfish/v1/Systems/1","credentialsName":"bmc","disableCertificateVerification":false},"bootMACAddress":"52:54:00:00:00:01",
"image":{"url":"https://images.example/debian.raw","checksum":"https://images.example/debian.raw.sha256"},"userData":{"name":"u","namespace":"fleet"},"rootDeviceHints":{"serialNumber":"S1"}}}`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Redact(host, []byte(body))
			}
		})
	}
}

// Looking first for what a form cannot do without changes no answer.
func FuzzCredentialLike(f *testing.F) {
	for _, s := range []string{
		"", "plain", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN CERTIFICATE", "eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "Authorization: Bearer abcdefgh12345678", "basic\tQWxhZGRpbjpvcGVu", "BEARER\vabcdefgh1", "$6$salt$hash-of-it",
		"$argon2id$v=19$m=65536", "password=x", `"PassWord" : y`, "api_key=1", "APIKEY:2", "tokens: none", "secret", "passphrase = z", "\u017fecret=x", "to\u212aen=x", "https://images.example/debian.raw?token=abc", "redfish://10.0.0.1/redfish/v1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := credentialLike(s), hasForm(s); got != want {
			t.Errorf("%q looks like a credential: %v, and by the forms alone %v", s, got, want)
		}
	})
}
