package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// withheldPrefix begins whatever stands in a value's place.
const withheldPrefix = "withheld: "

func withheld(format string, args ...any) json.RawMessage {
	text, err := json.Marshal(withheldPrefix + fmt.Sprintf(format, args...))
	if err != nil {
		return json.RawMessage(`"withheld"`)
	}
	return text
}

// opaque are the resources whose bodies are never kept, by group: a credential is what they are for. "" as resource means the whole group.
var opaque = map[string][]string{
	"":                      {"secrets", "configmaps", "serviceaccounts/token"},
	"authentication.k8s.io": {""},
}

// Opaque says whether the body of a resource is never kept, whatever the policy says.
func Opaque(o Object) bool {
	resource := o.Resource
	if o.Subresource != "" {
		resource += "/" + o.Subresource
	}
	names := opaque[o.Group]
	return slices.Contains(names, "") || slices.Contains(names, resource) || slices.Contains(names, o.Resource)
}

// sensitive are words that a field's name holds, in lower case, whose text is a credential or a tenant's.
var sensitive = []string{
	"password", "passwd", "passphrase", "secret", "token", "credential", "privatekey", "apikey", "accesskey", "authorization", "userdata", "networkdata", "metadata", "kubeconfig", "dockerconfig",
	"stringdata", "binarydata", "cloudinit", "ignition", "cookie", "sharedkey", "presharedkey", "joinkey", "authkey", "challenge", "recoverykey", "unlockkey", "hash",
}

// harmless are fields whose name holds such a word and whose text is a name, a public fact, or the name of a place. Everything else of those names is withheld.
var harmless = []string{
	"credentialsname", "credentialname", "secretname", "tokensecretname", "ociauthsecretname", "networkdataname", "preprovisioningnetworkdataname", "secretref", "secretnamespace", "secretkeyref",
	"credentialsversion", "credentialstatus", "hardwaredata", "disablecertificateverification", "automountserviceaccounttoken", "generatename", "secrettype", "imagepullsecrets",
}

// references are the members that an object may have and be no more than a reference to where the text is.
var references = []string{"name", "namespace", "key", "kind", "apiVersion", "optional", "uid"}

// maxText is the longest text that is kept whole, in bytes: names, addresses, keys' public halves. Longer ones are documents.
const maxText = 1024

var (
	pemBlock = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*(PRIVATE KEY|CERTIFICATE)`)
	jsonWeb  = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_.~-]{8,}`)
	crypted  = regexp.MustCompile(`\$(1|2[aby]?|5|6|7|y|gy|argon2[a-z]*)\$[^\s]{8,}`)
	assigned = regexp.MustCompile(`(?i)(password|passwd|passphrase|secret|token|api_?key)["']?\s*[:=]\s*\S`)
)

// Redact gives what of a change's body may be kept, as canonical JSON. The body is JSON: an object, a merge patch, or a JSON patch. What is none is withheld whole.
//
// A value is withheld by the kind of the object (Secrets, ConfigMaps, token requests), by its field's name (password, token, userData and so on, unless it is only a reference), by its form
// (keys, tokens, password hashes, cloud-init, anything longer than a kilobyte), and managed fields and the copy that kubectl keeps in an annotation are left out. Of URLs, passwords and queries
// go. A withheld text leaves its length, so that a change of it shows.
func Redact(o Object, body []byte) json.RawMessage {
	if len(body) == 0 {
		return nil
	}
	if Opaque(o) {
		return withheld("a body of %d bytes: %s are never kept", len(body), o.Resource)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return withheld("a body of %d bytes that is no JSON", len(body))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return withheld("a body of %d bytes that is no single JSON value", len(body))
	}
	if operations, ok := v.([]any); ok {
		v = patch(operations)
	} else {
		v = value(nil, v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return withheld("a body of %d bytes that cannot be written again", len(body))
	}
	if len(text) > MaxChange {
		return withheld("a body of %d bytes: longer than what is kept", len(body))
	}
	return text
}

// patch redacts a JSON patch (RFC 6902): the path says where a value would stand.
func patch(operations []any) any {
	out := make([]any, 0, len(operations))
	for _, op := range operations {
		members, ok := op.(map[string]any)
		if !ok {
			out = append(out, text(fmt.Sprint(op)))
			continue
		}
		kept := map[string]any{}
		for name, member := range members {
			switch name {
			case "op":
				kept[name] = value(nil, member)
			case "path", "from":
				s, _ := member.(string)
				kept[name] = cut(Text(s), maxName)
			default:
				s, _ := members["path"].(string)
				kept[name] = value(pointer(s), member)
			}
		}
		out = append(out, kept)
	}
	return out
}

// pointer splits a JSON pointer (RFC 6901).
func pointer(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(s, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts
}

// value redacts what stands at a path.
func value(path []string, v any) any {
	if secretPath(path, v) {
		if reference(v) {
			return v
		}
		return withheldValue(v)
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			if name == "managedFields" || name == "kubectl.kubernetes.io/last-applied-configuration" {
				continue
			}
			// Keys are a client's choice as much as values are.
			out[cut(Text(name), maxName)] = value(append(slices.Clip(path), name), member)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, member := range v {
			out = append(out, value(path, member))
		}
		return out
	case string:
		return text(v)
	}
	return v
}

// secretPath says whether a field's name, or one on the way to it, is that of a secret. An object's metadata is none; a text of that name is.
func secretPath(path []string, v any) bool {
	for i, name := range path {
		_, object := v.(map[string]any)
		if name == "metadata" && (object || i < len(path)-1) {
			continue
		}
		if Sensitive(name) {
			return true
		}
	}
	return false
}

// Sensitive says whether a field of this name is withheld unless it is a reference.
func Sensitive(name string) bool {
	low := strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, name))
	if slices.Contains(harmless, low) {
		return false
	}
	return slices.ContainsFunc(sensitive, func(word string) bool { return strings.Contains(low, word) })
}

// reference says whether a value only names where the text is.
func reference(v any) bool {
	switch v := v.(type) {
	case nil, bool:
		return true
	case map[string]any:
		for name, member := range v {
			s, ok := member.(string)
			if _, isBool := member.(bool); isBool || member == nil {
				continue
			}
			if !ok || !slices.Contains(references, name) || len(s) > 253 || text(s) != s {
				return false
			}
		}
		return true
	case []any:
		return !slices.ContainsFunc(v, func(member any) bool {
			_, object := member.(map[string]any)
			return !object || !reference(member)
		})
	}
	return false
}

func withheldValue(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return withheldPrefix + "a value"
	}
	return fmt.Sprintf("%s%d bytes", withheldPrefix, len(text))
}

// text redacts a text by its form.
func text(s string) string {
	switch {
	case len(s) > maxText:
		sum := sha256.Sum256([]byte(s))
		return fmt.Sprintf("%s%d bytes, sha256 %s", withheldPrefix, len(s), hex.EncodeToString(sum[:8]))
	case strings.HasPrefix(s, "#cloud-config"), strings.HasPrefix(s, "#!"):
		return fmt.Sprintf("%s%d bytes of a script", withheldPrefix, len(s))
	}
	return Text(s)
}

// credentialLike says whether a text has one of the forms. What a form cannot do without is looked for first: expressions for each text of each body took most of an entry's time.
func credentialLike(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return hasForm(s) // expressions fold letters beyond ASCII, too
		}
	}
	return strings.Contains(s, "-----BEGIN") && pemBlock.MatchString(s) ||
		strings.Contains(s, "eyJ") && jsonWeb.MatchString(s) ||
		strings.ContainsAny(s, " \t\n\f\r") && bearer.MatchString(s) ||
		strings.Contains(s, "$") && crypted.MatchString(s) ||
		strings.ContainsAny(s, ":=") && assignable(s) && assigned.MatchString(s)
}

func hasForm(s string) bool {
	for _, form := range []*regexp.Regexp{pemBlock, jsonWeb, bearer, crypted, assigned} {
		if form.MatchString(s) {
			return true
		}
	}
	return false
}

// assignable says whether an ASCII text has the beginning of a word that assigned wants.
func assignable(s string) bool {
	low := strings.ToLower(s)
	return slices.ContainsFunc([]string{"passw", "passp", "secret", "token", "api"}, func(word string) bool { return strings.Contains(low, word) })
}

// Text gives what of a free text may be kept: tokens, keys and password hashes withhold it, URLs lose their password and query.
func Text(s string) string {
	if credentialLike(s) {
		return fmt.Sprintf("%s%d bytes that look like a credential", withheldPrefix, len(s))
	}
	if !strings.Contains(s, "://") {
		return s
	}
	words := strings.Fields(s)
	if len(words) != 1 {
		for i := range words {
			words[i] = Text(words[i])
		}
		return strings.Join(words, " ")
	}
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Sprintf("%s%d bytes of a URL that cannot be read", withheldPrefix, len(s))
	}
	if u.User != nil {
		u.User = url.User("withheld")
	}
	if u.RawQuery != "" {
		u.RawQuery = "withheld"
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}
