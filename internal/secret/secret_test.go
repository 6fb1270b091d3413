package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/secret"
)

const password = "correct-horse-battery"

// login has its secret where fmt looks without asking methods.
type login struct {
	user string
	word secret.String
	deep struct{ words []secret.String }
}

func TestNothingShowsASecret(t *testing.T) {
	s := secret.New(password)
	l := login{user: "admin", word: s}
	l.deep.words = []secret.String{s}
	values := map[string]any{
		"itself": s, "a pointer": &s, "a struct": l, "a pointer to a struct": &l, "a slice": []secret.String{s}, "a map": map[string]secret.String{"k": s},
		"an exported field": struct{ Word secret.String }{s}, "an interface": any(s),
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%T", "%e", "%10.2v"} {
			shown(t, name+" as "+verb, fmt.Sprintf(verb, v))
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		shown(t, name+" as JSON", string(text))
		for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			slog.New(handler(&out)).Info("login", "key", v)
			shown(t, name+" logged as "+kind, out.String())
		}
		shown(t, name+" in an error", errors.Join(fmt.Errorf("log in with %v", v)).Error())
	}
}

// shown fails where a text has the password, as it is, in hexadecimal, or as a list of bytes.
func shown(t *testing.T, what, text string) {
	t.Helper()
	for _, form := range []string{password, fmt.Sprintf("%x", password), fmt.Sprintf("%X", password), strings.Trim(fmt.Sprintf("%d", []byte(password)), "[]")} {
		if strings.Contains(text, form) {
			t.Errorf("%s shows the secret: %s", what, text)
		}
	}
}

func TestReveal(t *testing.T) {
	if got := secret.New(password).Reveal(); got != password {
		t.Errorf("revealed %q", got)
	}
	if !secret.New(password).Equal(secret.New(password)) || secret.New(password).Equal(secret.New("x")) || !secret.New("").Equal(secret.String{}) {
		t.Error("Equal is wrong")
	}
	if secret.New(password).IsZero() || !secret.New("").IsZero() || !(secret.String{}).IsZero() || secret.New("").Reveal() != "" {
		t.Error("the empty secret is not none, or another is")
	}
}
