package catalog_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
)

const content = "the bytes of an image"

// run runs openssl, whose words stand for what publishers do.
func run(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("openssl is not installed: apt-get install openssl")
	}
	if err != nil {
		t.Fatalf("openssl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// publisher makes keys and signatures as the manual says.
type publisher struct{ p256, p256Signature, ed25519, ed25519Signature string }

func publish(t *testing.T) (publisher, string) {
	t.Helper()
	dir := t.TempDir()
	sum := sha256.Sum256([]byte(content))
	digest := "sha256:" + hex.EncodeToString(sum[:])
	for name, text := range map[string]string{"image": content, "digest": digest} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "p256.pem")
	run(t, dir, "genpkey", "-algorithm", "ed25519", "-out", "ed25519.pem")
	return publisher{
		p256:             string(run(t, dir, "pkey", "-in", "p256.pem", "-pubout")),
		p256Signature:    base64.StdEncoding.EncodeToString(run(t, dir, "dgst", "-sha256", "-sign", "p256.pem", "image")),
		ed25519:          string(run(t, dir, "pkey", "-in", "ed25519.pem", "-pubout")),
		ed25519Signature: base64.StdEncoding.EncodeToString(run(t, dir, "pkeyutl", "-sign", "-rawin", "-inkey", "ed25519.pem", "-in", "digest")),
	}, digest
}

func TestVerifyWhatOpenSSLSigned(t *testing.T) {
	p, text := publish(t)
	digest, err := catalog.ParseDigest(text)
	if err != nil || digest.String() != text {
		t.Fatal(digest, err)
	}
	other, err := catalog.ParseDigest("sha256:" + strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	var keys []catalog.Key
	for name, text := range map[string]string{"curve": p.p256, "edwards": p.ed25519} {
		k, err := catalog.ParseKey(name, text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	for name, signature := range map[string]string{"curve": p.p256Signature, "edwards": p.ed25519Signature} {
		if by, err := catalog.Verify(digest, signature, keys); by != name || err != nil {
			t.Errorf("%s: signed by %q, %v", name, by, err)
		}
		if by, err := catalog.Verify(other, signature, keys); by != "" || !errors.Is(err, catalog.ErrNoKey) {
			t.Errorf("%s: another content is signed by %q, %v", name, by, err)
		}
		if _, err := catalog.Verify(digest, signature, nil); !errors.Is(err, catalog.ErrNoKey) {
			t.Errorf("%s without keys: %v", name, err)
		}
	}
	for _, signature := range []string{"", "no base64", strings.Repeat("AAAA", 100)} {
		if _, err := catalog.Verify(digest, signature, keys); !errors.Is(err, catalog.ErrSignature) {
			t.Errorf("%q: %v", signature, err)
		}
	}
}

// What `cosign sign-blob --key` writes is ECDSA in ASN.1 over the SHA-256 of the file, in base64, as sigstore's SignMessage does it.
func TestVerifyWhatGoSigned(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	raw, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	k, err := catalog.ParseKey("a", public(t, key.Public()))
	if err != nil {
		t.Fatal(err)
	}
	digest := catalog.Digest{Algorithm: "sha256", Sum: sum[:]}
	if by, err := catalog.Verify(digest, base64.StdEncoding.EncodeToString(raw), []catalog.Key{k}); by != "a" || err != nil {
		t.Error(by, err)
	}
	raw[len(raw)-1] ^= 1
	if by, err := catalog.Verify(digest, base64.StdEncoding.EncodeToString(raw), []catalog.Key{k}); err == nil {
		t.Errorf("a changed signature is by %q", by)
	}
}

func public(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestParseKeyRefuses(t *testing.T) {
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(wide)
	if err != nil {
		t.Fatal(err)
	}
	good, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		public(t, wide.Public()): "use P-256 or Ed25519", public(t, old.Public()): "use ECDSA on P-256 or Ed25519", "ssh-ed25519 AAAA": "is no PEM",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})):           "keep private ones secret",
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("nothing")})): "key a: ", public(t, good) + public(t, good): "after its end",
	} {
		if _, err := catalog.ParseKey("a", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

func TestTrust(t *testing.T) {
	p, digest := publish(t)
	q, _ := publish(t)
	signed := func(signature string) ingot.Image {
		return image("debian", "12.1", func(s *ingot.ImageSpec) { s.Digest, s.Signature = digest, signature })
	}
	asks := func(name, images string, keys ...string) ingot.ImageTrust {
		o := ingot.ImageTrust{Spec: ingot.ImageTrustSpec{Images: []string{images}}}
		o.Name = name
		for i, k := range keys {
			o.Spec.Keys = append(o.Spec.Keys, ingot.TrustedKey{Name: string(rune('a' + i)), PublicKey: k})
		}
		return o
	}
	for name, c := range map[string]struct {
		image     ingot.Image
		trusts    []ingot.ImageTrust
		by, wrong string
	}{
		"nobody asks":               {signed(""), nil, "", ""},
		"asked of others":           {signed(""), []ingot.ImageTrust{asks("t", "ubuntu-*", p.p256)}, "", ""},
		"signed":                    {signed(p.p256Signature), []ingot.ImageTrust{asks("t", "debian-*", q.p256, p.p256)}, "t/b", ""},
		"signed by Ed25519":         {signed(p.ed25519Signature), []ingot.ImageTrust{asks("t", "*", p.ed25519)}, "t/a", ""},
		"by a key of another trust": {signed(p.p256Signature), []ingot.ImageTrust{asks("u", "debian-*", p.p256), asks("t", "*", q.p256)}, "u/a", ""},
		"not signed":                {signed(""), []ingot.ImageTrust{asks("t", "*", p.p256)}, "", "the ImageTrust t asks for a signature, and it has none"},
		"by a stranger":             {signed(q.p256Signature), []ingot.ImageTrust{asks("t", "*", p.p256)}, "", "by none of the keys that are trusted"},
		"by a key that is not its":  {signed(p.p256Signature), []ingot.ImageTrust{asks("t", "debian-*", q.p256), asks("u", "ubuntu-*", p.p256)}, "", "by none of the keys"},
		"no key can be used":        {signed(p.p256Signature), []ingot.ImageTrust{asks("t", "*", "broken")}, "", "by none of the keys"},
	} {
		i := catalog.Read([]ingot.Image{c.image}, c.trusts)[0]
		if i.SignedBy != c.by || !strings.Contains(i.Untrusted, c.wrong) || (c.wrong == "") != (i.Untrusted == "") {
			t.Errorf("%s: signed by %q, %q", name, i.SignedBy, i.Untrusted)
		}
		_, refusal := catalog.Resolve([]catalog.Image{i}, "debian", nil, ingot.ImageForMachine, now)
		if (refusal == nil) != (c.wrong == "") || refusal != nil && refusal.Reason != catalog.NotSigned {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
	broken := asks("t", "*", p.p256, "broken")
	if keys, problems := catalog.ReadTrust(&broken); len(keys) != 1 || len(problems) != 1 || !strings.Contains(problems[0].Error(), "spec.keys[1]") {
		t.Error(keys, problems)
	}
	if !catalog.NeedsSignature(&broken, "x-1") {
		t.Error("NeedsSignature")
	}
}

func FuzzVerify(f *testing.F) {
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		f.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	fixed, err := catalog.ParseKey("a", text)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("sha256:"+strings.Repeat("ab", 32), "MEUCIQDx", text)
	f.Add("sha512:"+strings.Repeat("ab", 64), base64.StdEncoding.EncodeToString(make([]byte, 64)), text)
	f.Add("md5:00", "====", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----")
	f.Fuzz(func(t *testing.T, digest, signature, pemText string) {
		d, err := catalog.ParseDigest(digest)
		if err == nil && d.String() != digest {
			t.Fatalf("%q is read as %s", digest, d)
		}
		if k, err := catalog.ParseKey("a", pemText); err == nil && k.Name != "a" {
			t.Fatalf("a key is called %s", k.Name)
		}
		if by, err := catalog.Verify(d, signature, []catalog.Key{fixed}); err == nil {
			t.Fatalf("nobody signed this, and it is by %s", by)
		}
	})
}
