package sim_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/utils/ptr"

	"github.com/ingotmetal/ingot/internal/lab/tiny"
)

// badImages is an image server on which everything is wrong in its own way.
type badImages struct {
	server *httptest.Server
	files  map[string][]byte
	closed string
}

func newBadImages(t *testing.T) *badImages {
	t.Helper()
	raw, err := tiny.Raw(tiny.Options{SizeBytes: 4 << 20, Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := tiny.Zstd(raw)
	if err != nil {
		t.Fatal(err)
	}
	qcow2, err := tiny.Qcow2(raw)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(b []byte)) []byte {
		b := bytes.Clone(qcow2)
		change(b)
		return b
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(raw)
	_ = z.Close()
	garbage := bytes.Clone(zipped.Bytes())
	copy(garbage[len(garbage)/2:], "this is not deflate, whatever the header says, and so it goes on")
	b := &badImages{files: map[string][]byte{
		"digest": packed, "page": []byte("<html>Please log in</html>"), "empty": {}, "no-sums": packed, "other-sums": packed, "cut": packed,
		"zstd-short": packed[:len(packed)/2], "gzip-garbage": garbage, "xz-garbage": append([]byte("\xfd7zXZ\x00\x00\x04"), bytes.Repeat([]byte("x"), 4096)...),
		"qcow2-none": raw, "qcow2-short": qcow2[:len(qcow2)/2],
		// The header's fields (QEMU's qcow2 specification): backing file at 8 and 16, virtual size at 24, encryption at 32.
		"qcow2-backing": changed(func(b []byte) {
			binary.BigEndian.PutUint64(b[8:], 512)
			binary.BigEndian.PutUint32(b[16:], 11)
			copy(b[512:], "/etc/shadow")
		}),
		"qcow2-encrypted": changed(func(b []byte) { binary.BigEndian.PutUint32(b[32:], 1) }),
		"qcow2-large":     changed(func(b []byte) { binary.BigEndian.PutUint64(b[24:], 256<<30); binary.BigEndian.PutUint32(b[36:], 512) }),
	}}
	b.server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.server.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	b.closed = gone.URL
	gone.Close()
	return b
}

func (b *badImages) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch name {
	case "error":
		http.Error(w, "out of order", http.StatusInternalServerError)
	case "forbidden":
		http.Error(w, "not for you", http.StatusForbidden)
	case "redirect-file":
		http.Redirect(w, r, "file:///etc/shadow", http.StatusFound)
	case "redirect-loop":
		http.Redirect(w, r, "/redirect-loop", http.StatusFound)
	case "sums/SHA256SUMS":
		_, _ = fmt.Fprintf(w, "%s  another-image.raw\n", strings.Repeat("0", 64))
	case "cut":
		w.Header().Set("Content-Length", fmt.Sprint(len(b.files[name])))
		_, _ = w.Write(b.files[name][:1000])
		panic(http.ErrAbortHandler)
	default:
		content, there := b.files[name]
		if !there {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}
}

// spec is the image as a host asks for it. The digest is right unless it is what is wrong.
func (b *badImages) spec(name string) metal3.Image {
	sum := sha256.Sum256(b.files[name])
	i := metal3.Image{URL: b.server.URL + "/" + name, Checksum: hex.EncodeToString(sum[:]), ChecksumType: metal3.SHA256, DiskFormat: ptr.To("raw")}
	switch name {
	case "refused":
		i.URL = b.closed + "/image"
	case "digest", "page":
		i.Checksum = strings.Repeat("0", 64)
	case "no-sums":
		i.Checksum = b.server.URL + "/missing/SHA256SUMS"
	case "other-sums":
		i.Checksum = b.server.URL + "/sums/SHA256SUMS"
	}
	if strings.HasPrefix(name, "qcow2") {
		i.DiskFormat = ptr.To("qcow2")
	}
	return i
}

// badBMCs are servers that were asked for Redfish.
type badBMCs struct{ servers map[string]*httptest.Server }

func newBadBMCs(t *testing.T) *badBMCs {
	t.Helper()
	b := &badBMCs{servers: map[string]*httptest.Server{}}
	answer := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, text)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"html": answer("text/html", "<html><title>Router</title></html>"),
		"half": answer("application/json", `{"@odata.id": "/redfish/v1", "Systems": {"@odata.id"`),
		"list": answer("application/json", `["Systems"]`),
		"endless": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"Name": "`)
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("a"), 1<<16)); err != nil {
					return
				}
			}
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://192.0.2.1/redfish/v1/", http.StatusTemporaryRedirect)
		},
		"sideways": sideways,
	} {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		b.servers[name] = s
	}
	return b
}

func (b *badBMCs) url(name string) string { return b.servers[name].URL }

// sideways is the least of a Redfish service, whose machine is neither on nor off.
func sideways(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case "/redfish/v1":
		_, _ = io.WriteString(w, `{"@odata.id":"/redfish/v1","RedfishVersion":"1.6.0","Systems":{"@odata.id":"/redfish/v1/Systems"}}`)
	case "/redfish/v1/Systems":
		_, _ = io.WriteString(w, `{"@odata.id":"/redfish/v1/Systems","Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}`)
	case "/redfish/v1/Systems/1":
		_, _ = io.WriteString(w, `{"@odata.id":"/redfish/v1/Systems/1","Id":"1","PowerState":"Sideways",`+
			`"Actions":{"#ComputerSystem.Reset":{"target":"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset","ResetType@Redfish.AllowableValues":["On","ForceOff","ForceRestart"]}}}`)
	default:
		http.NotFound(w, r)
	}
}
