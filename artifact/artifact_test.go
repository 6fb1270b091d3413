package artifact

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

var (
	digestA = "sha256:" + strings.Repeat("a", 64)
	digestB = "sha256:" + strings.Repeat("b", 64)
)

func TestReferences(t *testing.T) {
	for url, want := range map[string]Reference{
		"oci://registry.example/os/debian:12":                {Host: "registry.example", Repository: "os/debian", Tag: "12"},
		"OCI://Registry.Example:5000/os":                     {Host: "registry.example:5000", Repository: "os", Tag: "latest"},
		"oci://registry.example/os@" + digestA:               {Host: "registry.example", Repository: "os", Digest: digestA},
		"oci://registry.example/a__b/c.d:v1_2@" + digestA:    {Host: "registry.example", Repository: "a__b/c.d", Tag: "v1_2", Digest: digestA},
		"oci://[2001:db8::1]:5000/os:1":                      {Host: "[2001:db8::1]:5000", Repository: "os", Tag: "1"},
		"oci://10.0.0.1/os":                                  {Host: "10.0.0.1", Repository: "os", Tag: "latest"},
		"oci://r/os@sha512:" + strings.Repeat("0123", 128/4): {Host: "r", Repository: "os", Digest: "sha512:" + strings.Repeat("0123", 128/4)},
	} {
		got, err := Parse(url)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", url, got, err)
			continue
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s: its text %s reads as %+v, %v", url, got, again, err)
		}
	}
	for _, url := range []string{
		"", "oci://", "https://registry.example/os", "oci://registry.example", "oci://registry.example/", "oci:///os", "oci://user:password@registry.example/os",
		"oci://registry.example/OS", "oci://registry.example/os:", "oci://registry.example/os@", "oci://registry.example/os@sha256:abc", "oci://registry.example/os@md5:" + strings.Repeat("a", 32),
		"oci://registry.example/os@sha256:" + strings.Repeat("A", 64), "oci://registry.example//os", "oci://registry.example/../os", "oci://registry.example/os?x=1", "oci://registry.example/os#x",
		"oci://registry.example/os:a b", "oci://-registry/os", "oci://registry.example:port/os", "oci://registry.example/os:" + strings.Repeat("a", 129),
		"oci://registry.example/" + strings.Repeat("a", 256), "oci://registry.example/os\n:1",
	} {
		if got, err := Parse(url); err == nil {
			t.Errorf("%q is taken as %+v", url, got)
		}
	}
	if got := (Reference{Host: "docker.io"}).Endpoint(); got != "registry-1.docker.io" {
		t.Error(got)
	}
}

func manifest(layers ...string) string {
	return `{"schemaVersion":2,"mediaType":"` + TypeManifest + `","layers":[` + strings.Join(layers, ",") + `]}`
}

func layer(mediaType, title string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":10,"annotations":{"org.opencontainers.image.title":%q}}`, mediaType, digestA, title)
}

func index(entries ...string) string {
	return `{"schemaVersion":2,"mediaType":"` + TypeIndex + `","manifests":[` + strings.Join(entries, ",") + `]}`
}

func entry(digest, architecture, diskType string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":10,"platform":{"os":"linux","architecture":%q},"annotations":{"disktype":%q}}`, TypeManifest, digest, architecture, diskType)
}

func TestWhatADocumentLeadsTo(t *testing.T) {
	amd64 := Want{Architecture: "amd64"}
	for name, c := range map[string]struct {
		body string
		want Want
		// digest is the chosen one; empty: err.
		digest string
		err    error
	}{
		"one layer":                        {manifest(layer("application/octet-stream", "os.qcow2")), amd64, digestA, nil},
		"a disk image pushed as tar layer": {manifest(layer("application/vnd.oci.image.layer.v1.tar", "os.raw.zst")), amd64, digestA, nil},
		"docker's words":                   {`{"schemaVersion":2,"mediaType":"` + TypeDockerManifest + `","layers":[` + layer("application/zstd", "") + `]}`, amd64, digestA, nil},
		"no media type":                    {`{"schemaVersion":2,"layers":[` + layer("", "") + `]}`, amd64, digestA, nil},
		"a tarball":                        {manifest(layer("application/vnd.oci.image.layer.v1.tar+zstd", "")), Want{Use: Tarball}, digestA, nil},
		"a tarball by name":                {manifest(layer("application/octet-stream", "root.tar.zst")), Want{Use: Tarball}, digestA, nil},
		"a tarball for a disk":             {manifest(layer("application/vnd.oci.image.layer.v1.tar+gzip", "")), amd64, "", ErrUnsuitable},
		"a disk for a tarball":             {manifest(layer("application/octet-stream", "os.qcow2")), Want{Use: Tarball}, "", ErrUnsuitable},
		"no layer":                         {manifest(), amd64, "", ErrUnsuitable},
		"two layers":                       {manifest(layer("", ""), layer("", "")), amd64, "", ErrUnsuitable},
		"a layer without digest":           {`{"schemaVersion":2,"layers":[{"mediaType":"x","size":1}]}`, amd64, "", ErrMalformed},
		"a digest that climbs":             {`{"schemaVersion":2,"layers":[{"digest":"../../x","size":1}]}`, amd64, "", ErrMalformed},
		"a negative size":                  {`{"schemaVersion":2,"layers":[{"digest":"` + digestA + `","size":-1}]}`, amd64, "", ErrMalformed},
		"version 1":                        {`{"schemaVersion":1,"layers":[]}`, amd64, "", ErrMalformed},
		"both kinds":                       {`{"schemaVersion":2,"layers":[` + layer("", "") + `],"manifests":[` + entry(digestB, "amd64", "") + `]}`, amd64, "", ErrMalformed},
		"a manifest that says index":       {`{"schemaVersion":2,"mediaType":"` + TypeIndex + `","layers":[` + layer("", "") + `]}`, amd64, "", ErrMalformed},
		"another media type":               {`{"schemaVersion":2,"mediaType":"text/html","layers":[` + layer("", "") + `]}`, amd64, "", ErrMalformed},
		"no JSON":                          {`<html>`, amd64, "", ErrMalformed},
		"too long":                         {strings.Repeat(" ", MaxManifestBytes+1), amd64, "", ErrMalformed},
		"an index":                         {index(entry(digestA, "arm64", ""), entry(digestB, "amd64", "")), amd64, digestB, nil},
		"the kernel's words":               {index(entry(digestA, "aarch64", ""), entry(digestB, "x86_64", "")), Want{Architecture: "arm64"}, digestA, nil},
		"not for this machine":             {index(entry(digestA, "arm64", "")), amd64, "", ErrUnsuitable},
		"an empty index":                   {index(), amd64, "", ErrUnsuitable},
		"two equal ones":                   {index(entry(digestA, "amd64", ""), entry(digestB, "amd64", "")), amd64, "", ErrUnsuitable},
		"raw before qcow2":                 {index(entry(digestA, "amd64", "qcow2"), entry(digestB, "amd64", "raw")), amd64, digestB, nil},
		"qcow2 as asked":                   {index(entry(digestA, "amd64", "qcow2"), entry(digestB, "amd64", "raw")), Want{Architecture: "amd64", Format: "qcow2"}, digestA, nil},
		"one of others' formats":           {index(entry(digestA, "amd64", "hyperv"), entry(digestB, "amd64", "qcow2")), amd64, digestB, nil},
		"an attestation beside it":         {index(entry(digestA, "amd64", ""), `{"mediaType":"`+TypeManifest+`","digest":"`+digestB+`","platform":{"os":"unknown","architecture":"unknown"}}`), amd64, digestA, nil},
		"an index entry without digest":    {index(`{"mediaType":"` + TypeManifest + `","platform":{"os":"linux","architecture":"amd64"}}`), amd64, "", ErrMalformed},
		"too many entries":                 {index(strings.Split(strings.Repeat(entry(digestA, "arm64", "")+";", maxDescriptors+1), ";")[:maxDescriptors+1]...), amd64, "", ErrMalformed},
	} {
		got, err := Choose([]byte(c.body), c.want)
		chosen := ""
		for _, d := range []*Descriptor{got.Layer, got.Manifest} {
			if d != nil && err == nil {
				chosen += d.Digest
			}
		}
		if !errors.Is(err, c.err) || chosen != c.digest {
			t.Errorf("%s: %q, %v; want %q, %v", name, chosen, err, c.digest, c.err)
		}
	}
}

func TestChallenges(t *testing.T) {
	for header, want := range map[string][]Challenge{
		`Bearer realm="https://auth.example/token",service="registry.example",scope="repository:os:pull,push"`: {{"bearer", "https://auth.example/token", "registry.example", "repository:os:pull,push"}},
		`Basic realm="r"`: {{Scheme: "basic", Realm: "r"}},
		`BASIC`:           {{Scheme: "basic"}},
		`Negotiate, Bearer realm = "a\"b" , x=y, Basic realm=z`: {{Scheme: "negotiate"}, {Scheme: "bearer", Realm: `a"b`}, {Scheme: "basic", Realm: "z"}},
		`Bearer realm="open`:                     {{Scheme: "bearer"}},
		`realm="nobody's"`:                       nil,
		``:                                       nil,
		`===,,,"`:                                nil,
		`Bearer realm="a",realm="b"`:             {{Scheme: "bearer", Realm: "a"}},
		strings.Repeat("x", maxChallengeBytes+1): nil,
	} {
		if got := ParseChallenges(header); !reflect.DeepEqual(got, want) {
			t.Errorf("%.80q: %+v", header, got)
		}
	}
}

func dockerConfig(auths map[string]any) map[string][]byte {
	b, _ := json.Marshal(map[string]any{"auths": auths})
	return map[string][]byte{KeyDockerConfigJSON: b}
}

func auth(user, password string) map[string]any {
	return map[string]any{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}
}

func TestPullSecrets(t *testing.T) {
	ref := func(url string) Reference {
		r, err := Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	several := dockerConfig(map[string]any{
		"registry.example": auth("host", "h"), "registry.example/team": auth("team", "t"), "https://registry.example/team/os": auth("deep", "d"), "*.example": auth("star", "s"),
		"https://index.docker.io/v1/": auth("hub", "u"), "other.example:5000": map[string]any{"username": "plain", "password": "pa:ss"},
	})
	for url, want := range map[string]string{
		"oci://registry.example/x":              "host:h",
		"oci://registry.example/team/x":         "team:t",
		"oci://registry.example/teams":          "host:h",
		"oci://registry.example/team/os:1":      "deep:d",
		"oci://registry.example:443/x":          "host:h",
		"oci://images.example/x":                "star:s",
		"oci://docker.io/library/x":             "hub:u",
		"oci://other.example:5000/x":            "plain:pa:ss",
		"oci://deep.images.example/x":           "",
		"oci://registry.example.attacker.net/x": "",
		"oci://other.example/x":                 "star:s",
	} {
		user, password, err := PullSecret(several, ref(url))
		if want == "" {
			if !errors.Is(err, ErrNoEntry) {
				t.Errorf("%s: %q, %v", url, user, err)
			}
		} else if err != nil || user+":"+password != want {
			t.Errorf("%s: %s:%s, %v; want %s", url, user, password, err, want)
		}
	}
	old, _ := json.Marshal(map[string]any{"registry.example": auth("old", "o")})
	if user, _, err := PullSecret(map[string][]byte{KeyDockerConfig: old}, ref("oci://registry.example/x")); err != nil || user != "old" {
		t.Error(user, err)
	}
	for name, data := range map[string]map[string][]byte{
		"no key": {}, "no JSON": {KeyDockerConfigJSON: []byte("hunter2")}, "no base64": dockerConfig(map[string]any{"registry.example": map[string]any{"auth": "hunter2"}}),
		"no colon":       dockerConfig(map[string]any{"registry.example": map[string]any{"auth": base64.StdEncoding.EncodeToString([]byte("hunter2"))}}),
		"a line break":   dockerConfig(map[string]any{"registry.example": auth("u", "hunter2\r\nX: y")}),
		"identity token": dockerConfig(map[string]any{"registry.example": map[string]any{"identitytoken": "hunter2"}}),
		"empty":          dockerConfig(map[string]any{"registry.example": map[string]any{"username": "u"}}),
	} {
		if user, _, err := PullSecret(data, ref("oci://registry.example/x")); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", name, user, err)
		}
	}
}

func FuzzReference(f *testing.F) {
	for _, s := range []string{"oci://registry.example:5000/os/debian:12@" + digestA, "oci://[::1]/a", "oci://docker.io/a-b/c__d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		r, err := Parse(url)
		if err != nil {
			return
		}
		if again, err := Parse(r.String()); err != nil || again != r {
			t.Fatalf("%q reads as %+v, whose text %q reads as %+v, %v", url, r, r, again, err)
		}
		if strings.ContainsAny(r.Host+r.Repository+r.Version(), " ?#%\\\r\n") || strings.Contains(r.Repository, "..") {
			t.Fatalf("%q leads out of its place: %+v", url, r)
		}
	})
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{manifest(layer("application/octet-stream", "os.qcow2")), index(entry(digestA, "amd64", "raw"), entry(digestB, "arm64", "")), `{"schemaVersion":2}`} {
		f.Add([]byte(s), "raw")
	}
	f.Fuzz(func(t *testing.T, body []byte, format string) {
		for _, use := range []Use{Disk, Tarball} {
			c, err := Choose(body, Want{Architecture: "amd64", Format: format, Use: use})
			if err != nil {
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnsuitable) {
					t.Fatal(err)
				}
				continue
			}
			if (c.Layer == nil) == (c.Manifest == nil) {
				t.Fatalf("%s leads to %+v", body, c)
			}
			for _, d := range []*Descriptor{c.Layer, c.Manifest} {
				if d != nil && !digestForm.MatchString(d.Digest) {
					t.Fatalf("%s leads to the digest %q", body, d.Digest)
				}
			}
		}
	})
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull"`)
	f.Add(`Basic realm="\"", Digest a=b`)
	f.Fuzz(func(t *testing.T, header string) {
		for _, c := range ParseChallenges(header) {
			if c.Scheme == "" || c.Scheme != strings.ToLower(c.Scheme) || len(c.Realm)+len(c.Service)+len(c.Scope) > len(header) {
				t.Fatalf("%q: %+v", header, c)
			}
		}
	})
}

func FuzzPullSecret(f *testing.F) {
	for _, d := range []map[string]any{{"registry.example": auth("u", "p")}, {"*.example/os": map[string]any{"username": "u", "password": "p"}}} {
		f.Add(dockerConfig(d)[KeyDockerConfigJSON])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := Reference{Host: "registry.example", Repository: "os"}
		user, password, err := PullSecret(map[string][]byte{KeyDockerConfigJSON: body}, r)
		if err == nil && (user == "" || password == "" || strings.ContainsAny(user+password, "\r\n")) {
			t.Fatalf("%s gives %q:%q", body, user, password)
		}
	})
}
