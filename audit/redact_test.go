package audit_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/config/crd"
)

const canary = "canary-5f2a"

// forms are texts that must not stand in the trail wherever a client puts them. Each holds the canary.
var forms = map[string]string{
	"private key":   "-----BEGIN EC PRIVATE KEY-----\n" + canary,
	"JWT":           "eyJhbGciOiJFUzI1NiJ9.eyJzdWIi" + canary + ".c2ln" + canary,
	"bearer":        "Authorization: Bearer " + canary + "0123456789",
	"URL":           "https://user:" + canary + "@images.example/x.raw",
	"query":         "https://images.example/x.raw?X-Amz-Signature=" + canary,
	"two URLs":      "see https://a:" + canary + "@b/ and https://c/?" + canary,
	"cloud-init":    "#cloud-config\nchpasswd: {expire: false, list: ['root:" + canary + "']}",
	"script":        "#!/bin/sh\necho " + canary,
	"password hash": "$6$saltsalt$" + canary + canary,
	"assignment":    "redfish login with password=" + canary,
	"document":      strings.Repeat("x", 2000) + canary,
}

// kinds are those that Ingot serves, with an object of each that has every field of its schema.
func kinds(t *testing.T, text string) map[audit.Object]map[string]any {
	t.Helper()
	all := map[audit.Object]map[string]any{}
	err := fs.WalkDir(crd.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		content, err := fs.ReadFile(crd.Files, name)
		if err != nil {
			return err
		}
		var definition apiextensions.CustomResourceDefinition
		if err := yaml.Unmarshal(content, &definition); err != nil {
			return err
		}
		for _, v := range definition.Spec.Versions {
			o := audit.Object{Group: definition.Spec.Group, Version: v.Name, Resource: definition.Spec.Names.Plural}
			object := filled(*v.Schema.OpenAPIV3Schema, text).(map[string]any)
			object["metadata"] = map[string]any{"name": "x", "annotations": map[string]any{"a.example/b": text, "kubectl.kubernetes.io/last-applied-configuration": text}, "labels": map[string]any{"l": text}}
			all[o] = object
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d kinds were found", len(all))
	}
	return all
}

// filled makes a value with every field of a schema, texts being one text.
func filled(s apiextensions.JSONSchemaProps, text string) any {
	switch {
	case s.Type == "object" || len(s.Properties) > 0:
		out := map[string]any{}
		for name, p := range s.Properties {
			out[name] = filled(p, text)
		}
		if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
			out["anything"] = filled(*s.AdditionalProperties.Schema, text)
		}
		return out
	case s.Type == "array" && s.Items != nil && s.Items.Schema != nil:
		return []any{filled(*s.Items.Schema, text)}
	case s.Type == "integer", s.Type == "number":
		return 5
	case s.Type == "boolean":
		return true
	}
	return text
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestNoFormOfASecretStays puts each form into every field of every kind that is served.
func TestNoFormOfASecretStays(t *testing.T) {
	for form, text := range forms {
		for o, object := range kinds(t, text) {
			got := audit.Redact(o, marshal(t, object))
			if strings.Contains(string(got), canary) {
				t.Errorf("%s with a %s in each field keeps it: …%s…", o, form, around(string(got)))
			}
			if !strings.Contains(string(got), `"metadata":{`) {
				t.Errorf("%s with a %s is not kept at all: %s", o, form, got)
			}
		}
	}
}

func around(s string) string {
	i := strings.Index(s, canary)
	return s[max(0, i-80):min(len(s), i+40)]
}

// suspicious is wider than what is withheld: what it finds in a name and what stays all the same must stand in known, so that a new field is looked at by somebody.
var suspicious = regexp.MustCompile(`(?i)pass|pwd|secret|token|cred|key|private|user_?data|network_?data|meta_?data|auth|hash|challenge`)

// known are the fields whose texts stay, each with the reason.
var known = map[string]string{
	"credentialsName":                "the name of a Secret",
	"ociAuthSecretName":              "the name of a Secret",
	"tokenSecretName":                "the name of a Secret",
	"networkDataName":                "the name of a Secret",
	"preprovisioningNetworkDataName": "the name of a Secret",
	"endorsementKey":                 "the public half of a TPM's key",
	"key":                            "a taint's or selector's name",
	"sshPublicKeys":                  "public",
	"sshHostKey":                     "the public half of a machine's host key",
	"publicKey":                      "public",
	"credentialsVersion":             "the resource version of a Secret",
	"hardwareData":                   "a reference",
	"machineKey":                     "the public half of a mesh member's key",
	"nodeKey":                        "the public half of a mesh member's key",
}

// TestFieldsWithSecretNames puts a plain text into every field of every kind, and looks which fields of a suspicious name keep it.
func TestFieldsWithSecretNames(t *testing.T) {
	for o, object := range kinds(t, canary) {
		var got any
		if err := json.Unmarshal(audit.Redact(o, marshal(t, object)), &got); err != nil {
			t.Fatal(err)
		}
		for _, p := range kept(nil, got) {
			name := p[len(p)-1]
			if suspicious.MatchString(name) && known[name] == "" {
				t.Errorf("%s keeps %s: withhold it (audit.sensitive), or say in this test why it may stay", o, strings.Join(p, "."))
			}
		}
	}
}

// kept are the paths at which the canary stands.
func kept(at []string, v any) (all [][]string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, kept(append(slices.Clone(at), name), v[name])...)
		}
	case []any:
		for _, member := range v {
			all = append(all, kept(at, member)...)
		}
	case string:
		if strings.Contains(v, canary) {
			all = append(all, at)
		}
	}
	return all
}

func TestBodiesThatAreNeverKept(t *testing.T) {
	body := []byte(`{"data":{"password":"` + canary + `"},"spec":{"token":"` + canary + `","boundObjectRef":{"name":"` + canary + `"}}}`)
	for _, o := range []audit.Object{
		{Resource: "secrets"}, {Resource: "secrets", Subresource: "status"}, {Resource: "configmaps"}, {Resource: "serviceaccounts", Subresource: "token"},
		{Group: "authentication.k8s.io", Resource: "tokenreviews"}, {Group: "authentication.k8s.io", Resource: "tokenrequests"},
	} {
		if got := string(audit.Redact(o, body)); strings.Contains(got, canary) || !strings.Contains(got, "never kept") {
			t.Errorf("%s: %s", o, got)
		}
	}
}

func TestRedact(t *testing.T) {
	host := audit.Object{Group: "metal3.io", Resource: "baremetalhosts"}
	for name, c := range map[string]struct{ body, want string }{
		"references stay":              {`{"spec":{"userData":{"name":"u","namespace":"n"},"bmc":{"credentialsName":"b","address":"redfish://10.0.0.1/x"}}}`, `{"spec":{"bmc":{"address":"redfish://10.0.0.1/x","credentialsName":"b"},"userData":{"name":"u","namespace":"n"}}}`},
		"a text for a reference":       {`{"spec":{"userData":"x"}}`, `{"spec":{"userData":"withheld: 3 bytes"}}`},
		"more than a reference":        {`{"spec":{"userData":{"name":"u","value":"x"}}}`, `{"spec":{"userData":"withheld: 24 bytes"}}`},
		"a name that is a credential":  {`{"spec":{"userData":{"name":"eyJhbGciOi.eyJzdWIi.c2lnbmF0"}}}`, `{"spec":{"userData":"withheld: 39 bytes"}}`},
		"managed fields":               {`{"metadata":{"name":"a","managedFields":[1]},"spec":{"online":true}}`, `{"metadata":{"name":"a"},"spec":{"online":true}}`},
		"a merge patch that removes":   {`{"spec":{"image":null}}`, `{"spec":{"image":null}}`},
		"numbers stay as they are":     {`{"spec":{"n":12345678901234567890,"x":1.50}}`, `{"spec":{"n":12345678901234567890,"x":1.50}}`},
		"a JSON patch":                 {`[{"op":"replace","path":"/spec/online","value":false}]`, `[{"op":"replace","path":"/spec/online","value":false}]`},
		"a JSON patch of a password":   {`[{"op":"add","path":"/spec/password","value":"x"}]`, `[{"op":"add","path":"/spec/password","value":"withheld: 3 bytes"}]`},
		"a JSON patch below a secret":  {`[{"op":"add","path":"/stringData/a~1b","value":"x"}]`, `[{"op":"add","path":"/stringData/a~1b","value":"withheld: 3 bytes"}]`},
		"an image with a password":     {`{"spec":{"image":{"url":"https://u:p@h/i.raw?sig=1#f"}}}`, `{"spec":{"image":{"url":"https://withheld@h/i.raw?withheld"}}}`},
		"no JSON":                      {"password: x\n", `"withheld: a body of 12 bytes that is no JSON"`},
		"two JSON values":              {`{"a":1}{"b":2}`, `"withheld: a body of 14 bytes that is no single JSON value"`},
		"a credential as a field name": {`{"spec":{"eyJhbGciOi.eyJzdWIi.c2lnbmF0":1}}`, `{"spec":{"withheld: 28 bytes that look like a credential":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(audit.Redact(host, []byte(c.body))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := audit.Redact(host, nil); got != nil {
		t.Errorf("no body gives %s", got)
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{`{"spec":{"password":"x"}}`, `[{"op":"add","path":"/a","value":{"b":1}}]`, `"x"`, `{"a":"https://%zz"}`, `[]`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := audit.Redact(audit.Object{Group: "metal3.io", Resource: "baremetalhosts"}, body)
		if len(body) > 0 && !json.Valid(got) {
			t.Errorf("%q becomes %q, which is no JSON", body, got)
		}
		if string(got) != string(audit.Redact(audit.Object{Group: "metal3.io", Resource: "baremetalhosts"}, body)) {
			t.Error("two times the same gives two things")
		}
	})
}

func TestBoundKeepsLinesShort(t *testing.T) {
	long := strings.Repeat("<é", 100_000)
	many := slices.Repeat([]string{long}, 1000)
	notes := map[string]string{}
	for i := range 1000 {
		notes[fmt.Sprint(i, long)] = long
	}
	r := audit.Request{ID: long, User: long, Groups: many, Credential: long, ImpersonatedBy: long, Verb: long, Path: long, From: long, Forwarded: many, Agent: long, Reason: long, Message: long,
		Fields: many, Annotations: notes, Object: &audit.Object{Group: long, Version: long, Resource: long, Subresource: long, Namespace: long, Name: long, UID: long},
		Change: marshal(t, map[string]string{"x": strings.Repeat("<", audit.MaxChange/6-10)})}
	r.Bound()
	line, _, err := audit.Seal(audit.Record{Seq: 1, Kind: audit.KindRequest, Request: &r, Prev: audit.Hash{}.String()})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := audit.Parse(line); err != nil {
		t.Error(err)
	}
}
