package signin

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func token(header, payload, signature string) string {
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(payload)) + "." + signature
}

const signed = `{"alg":"RS256","kid":"k"}`

// TestTokensThatAreNotForUs: each is refused with its reason.
func TestTokensThatAreNotForUs(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	issuer := Issuer{URL: "https://login.example.org", ClientID: "ingot"}
	body := func(iss, aud, sub, nonce string, exp time.Time) string {
		return fmt.Sprintf(`{"iss":%q,"aud":%s,"sub":%q,"nonce":%q,"exp":%d}`, iss, aud, sub, nonce, exp.Unix())
	}
	later := now.Add(time.Hour)
	for name, c := range map[string]struct{ token, want string }{
		"good":             {token(signed, body(issuer.URL, `"ingot"`, "alice", "n", later), "c2ln"), ""},
		"several audience": {token(signed, body(issuer.URL, `["x","ingot"]`, "alice", "n", later), "c2ln"), ""},
		"a clock behind":   {token(signed, body(issuer.URL, `"ingot"`, "alice", "n", now.Add(-leeway/2)), "c2ln"), ""},
		"another issuer":   {token(signed, body("https://other.example.org", `"ingot"`, "alice", "n", later), "c2ln"), "of the issuer"},
		"a slash more":     {token(signed, body(issuer.URL+"/", `"ingot"`, "alice", "n", later), "c2ln"), "of the issuer"},
		"another audience": {token(signed, body(issuer.URL, `["ingot2"]`, "alice", "n", later), "c2ln"), "not for the client"},
		"nobody":           {token(signed, body(issuer.URL, `"ingot"`, "", "n", later), "c2ln"), "names nobody"},
		"another nonce":    {token(signed, body(issuer.URL, `"ingot"`, "alice", "m", later), "c2ln"), "another login"},
		"ended":            {token(signed, body(issuer.URL, `"ingot"`, "alice", "n", now.Add(-2*leeway)), "c2ln"), "ended at"},
		"algorithm none":   {token(`{"alg":"none"}`, body(issuer.URL, `"ingot"`, "alice", "n", later), "c2ln"), "algorithm other than none"},
		"algorithm NonE":   {token(`{"alg":"NonE"}`, body(issuer.URL, `"ingot"`, "alice", "n", later), "c2ln"), "algorithm other than none"},
		"no signature":     {token(signed, body(issuer.URL, `"ingot"`, "alice", "n", later), ""), "no signed token"},
		"no token":         {"opaque", "no signed token"},
		"no JSON":          {token(signed, "x", "c2ln"), "no signed token"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseClaims(c.token)
			if err == nil {
				err = got.check(issuer, "n", now)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("want %q, have %v", c.want, err)
			}
		})
	}
}

// FuzzParseClaims: whatever an issuer sends, it is read or refused, and a refusal never has it inside.
func FuzzParseClaims(f *testing.F) {
	f.Add(token(signed, `{"iss":"https://login.example.org","aud":["ingot"],"sub":"alice","exp":1800000000,"nonce":"n"}`, "c2ln"))
	f.Add(token(signed, `{"iss":"https://login.example.org","aud":"ingot","sub":"alice","exp":1.8e9}`, "c2ln"))
	f.Add(token(`{"alg":"none"}`, `{}`, ""))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseClaims(text)
		if err != nil {
			if !errors.Is(err, ErrNoToken) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		_ = c.check(Issuer{URL: "https://login.example.org", ClientID: "ingot"}, "n", time.Unix(1_700_000_000, 0))
	})
}
