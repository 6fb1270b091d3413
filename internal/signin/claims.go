package signin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// claims are what is read of an ID token (OpenID Connect Core §2).
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Expiry   float64  `json:"exp"`
	Nonce    string   `json:"nonce"`
}

// audience is one string or several.
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// ErrNoToken is a text that is no signed token.
var ErrNoToken = errors.New("what the issuer sent is no signed token: three parts of base64url with dots between them are needed, and a signature algorithm other than none")

// parseClaims reads a token in compact form (RFC 7515 §7.1). It checks no signature.
func parseClaims(token string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] == "" {
		return claims{}, ErrNoToken
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	var c claims
	for i, into := range []any{&header, &c} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return claims{}, ErrNoToken
		}
	}
	if header.Algorithm == "" || strings.EqualFold(header.Algorithm, "none") {
		return claims{}, ErrNoToken
	}
	return c, nil
}

func (c claims) expires() time.Time { return time.Unix(int64(c.Expiry), 0) }

func (c claims) check(i Issuer, nonce string, now time.Time) error {
	switch {
	case c.Issuer != i.URL:
		return fmt.Errorf("the token is of the issuer %q, not of %q", printable(c.Issuer), i.URL)
	case !slices.Contains(c.Audience, i.ClientID):
		return fmt.Errorf("the token is not for the client %q", i.ClientID)
	case c.Subject == "":
		return errors.New("the token names nobody: it has no sub")
	case nonce != "" && c.Nonce != nonce:
		return errors.New("the token is of another login: its nonce is not the one that was asked with")
	case !c.expires().After(now.Add(-leeway)):
		return fmt.Errorf("the token ended at %s: is the clock of this machine right?", c.expires().UTC().Format(time.RFC3339))
	}
	return nil
}
