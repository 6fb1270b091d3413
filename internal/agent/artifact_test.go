package agent_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/step"
)

const registryPassword = "registry-pass-w0rd"

// serveRegistry serves an image of one layer, for who shows the password; it gives the image as a step has it, and the layer's digest.
func serveRegistry(t *testing.T, content []byte) (protocol.Image, string) {
	t.Helper()
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	put := func(method, at, kind string, body []byte) string {
		r := httptest.NewRequestWithContext(t.Context(), method, at, bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		if store.ServeHTTP(w, r); w.Code != http.StatusCreated {
			t.Fatalf("%s: %d %s", at, w.Code, w.Body)
		}
		sum := sha256.Sum256(body)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	blob := func(body []byte) string {
		sum := sha256.Sum256(body)
		return put(http.MethodPost, "/v2/images/os/blobs/uploads/?digest="+url.QueryEscape("sha256:"+hex.EncodeToString(sum[:])), "application/octet-stream", body)
	}
	layer := blob(content)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": map[string]any{"mediaType": "application/json", "digest": blob([]byte("{}")), "size": 2},
		"layers": []any{map[string]any{"mediaType": "application/octet-stream", "digest": layer, "size": len(content)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	put(http.MethodPut, "/v2/images/os/manifests/1", "application/vnd.oci.image.manifest.v1+json", manifest)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, p, _ := r.BasicAuth(); p != registryPassword {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return protocol.Image{
		URL: "oci://" + strings.TrimPrefix(s.URL, "https://") + "/images/os:1", Login: &protocol.Login{Username: "robot", Password: registryPassword},
		CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	}, layer
}

func TestAnImageFromARegistry(t *testing.T) {
	content := testImage()
	for name, c := range map[string]struct {
		change func(i *protocol.Image, digest string)
		kind   step.FailureKind
		text   string
	}{
		"by its tag":      {func(*protocol.Image, string) {}, "", ""},
		"with its digest": {func(i *protocol.Image, digest string) { i.Checksum = digest }, "", ""},
		"with its hex": {func(i *protocol.Image, digest string) {
			i.Checksum = strings.ToUpper(strings.TrimPrefix(digest, "sha256:"))
		}, "", ""},
		"with another digest":  {func(i *protocol.Image, _ string) { i.Checksum = "sha256:" + strings.Repeat("0", 64) }, step.Invalid, "nothing was written"},
		"anonymous":            {func(i *protocol.Image, _ string) { i.Login = nil }, step.Denied, "ociAuthSecretName"},
		"with a wrong one":     {func(i *protocol.Image, _ string) { i.Login.Password = "wrong" }, step.Denied, "correct the pull secret"},
		"without the right CA": {func(i *protocol.Image, _ string) { i.CAPEM = nil }, step.Invalid, "not trusted"},
		"as qcow2":             {func(i *protocol.Image, _ string) { i.Format = "qcow2" }, step.Invalid, "not qcow2"},
		"another tag":          {func(i *protocol.Image, _ string) { i.URL += "2" }, step.Invalid, "404"},
		"no reference":         {func(i *protocol.Image, _ string) { i.URL = "oci://registry" }, step.Invalid, "names no repository"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, diskBytes)
			image, digest := serveRegistry(t, content)
			c.change(&image, digest)
			site := agentapitest.New(t, "127.0.0.1")
			site.Start()
			ended := live(t, site, m, site.Open("b", "t"))
			claim := step.Disk{Name: "/dev/sdb", SerialNumber: "SERIAL-1", WWN: "0x5001", SizeBytes: diskBytes}
			site.Want("b", &protocol.Step{ID: "w", Kind: step.WriteImage, Deadline: deadline(), WriteImage: &protocol.WriteImage{Claim: claim, Image: image}})
			o := site.AwaitOutcome("b", "w", patience)
			site.Supersede("b")
			if err := awaitOff(t, m, ended); err != nil {
				t.Error(err)
			}
			if c.kind == "" {
				if o.Failure != nil || o.Written.Digest != digest {
					t.Fatalf("%+v, %+v", o.Failure, o.Written)
				}
				checkDisks(t, m, content)
			} else if f := o.Failure; f == nil || f.Kind != c.kind || !strings.Contains(f.Message+f.Fix, c.text) {
				t.Fatalf("%+v", f)
			} else {
				for _, spec := range m.opener.Disks {
					mustBeZero(t, spec.Path)
				}
			}
			said := site.Log("b")
			for _, word := range []string{registryPassword, base64.StdEncoding.EncodeToString([]byte("robot:" + registryPassword))} {
				if strings.Contains(said, word) {
					t.Errorf("the log has the password:\n%s", said)
				}
			}
		})
	}
}
