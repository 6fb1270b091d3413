package issuer

import "testing"

// TestWhatIsWrittenIsReadBack: the page logs people in at the issuer that the API server was told of.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	o := Options{URL: "https://login.example.org/realms/site", ClientID: "ingot", UsernameClaim: "sub", GroupsClaim: "groups", Prefix: "oidc:"}
	text, err := o.Configuration()
	if err != nil {
		t.Fatal(err)
	}
	all, err := Read(text)
	if err != nil || len(all) != 1 || all[0] != (Known{URL: o.URL, ClientID: "ingot"}) {
		t.Fatalf("%+v %v", all, err)
	}
}

func TestSeveralIssuersAreRead(t *testing.T) {
	const two = `
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://a.example, audiences: [one, two], certificateAuthority: PEM}
  claimMappings: {username: {claim: sub, prefix: "a:"}}
- issuer: {url: https://b.example, audiences: [three]}
`
	all, err := Read([]byte(two))
	if err != nil || len(all) != 2 || all[0] != (Known{"https://a.example", "one", "PEM"}) || all[1] != (Known{"https://b.example", "three", ""}) {
		t.Fatalf("%+v %v", all, err)
	}
	for _, wrong := range []string{"jwt: [{issuer: {url: https://a.example}}]", "jwt: [{issuer: {audiences: [x]}}]", "jwt: 7"} {
		if _, err := Read([]byte(wrong)); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}
