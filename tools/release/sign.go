package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// sumsFile is what `sha256sum --check` reads.
const sumsFile = "SHA256SUMS"

// writeSums lists every file below a folder, and none that begins like the list itself.
func writeSums(folder string) error {
	var lines []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || strings.HasPrefix(name, sumsFile) || !d.Type().IsRegular() {
			return err
		}
		digest, err := digestOf(path)
		lines = append(lines, digest+"  "+filepath.ToSlash(name)+"\n")
		return err
	})
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("there is no file below %s", folder)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(folder, sumsFile), []byte(strings.Join(lines, "")), 0o644)
}

// minisign's form (https://jedisct1.github.io/minisign/): the algorithm ED signs the BLAKE2b-512 of a file, so that a large one need not be in memory; a key is told by eight bytes, ours by its digest's first.
const algorithm = "ED"

func keyID(public ed25519.PublicKey) []byte {
	sum := sha256.Sum256(public)
	return sum[:8]
}

func signFile(keyFile, file string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("the key that signs: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s holds no PEM: make a key by openssl genpkey -algorithm ed25519", keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s is no PKCS#8 key: %w", keyFile, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return fmt.Errorf("%s is a %T: an Ed25519 key is needed", keyFile, parsed)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("an Ed25519 key without a public half")
	}
	digest := blake2b.Sum512(content)
	signature := ed25519.Sign(key, digest[:])
	trusted := "file:" + filepath.Base(file)
	global := ed25519.Sign(key, append(slices.Clone(signature), trusted...))
	encode := base64.StdEncoding.EncodeToString
	signed := "untrusted comment: signature of an Ingot release\n" + encode(slices.Concat([]byte(algorithm), keyID(public), signature)) + "\n" +
		"trusted comment: " + trusted + "\n" + encode(global) + "\n"
	if err := os.WriteFile(file+".minisig", []byte(signed), 0o644); err != nil {
		return err
	}
	// A public key has the older algorithm's name whatever it signs by.
	return os.WriteFile(file+".pub", []byte("untrusted comment: public key of Ingot's releases\n"+encode(slices.Concat([]byte("Ed"), keyID(public), public))+"\n"), 0o644)
}

func verifyFile(keyFile, file string) error {
	keyText, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("the public key: %w", err)
	}
	signed, err := os.ReadFile(file + ".minisig")
	if err != nil {
		return fmt.Errorf("the signature: %w", err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return verify(keyText, signed, content)
}

func verify(keyText, signed, content []byte) error {
	key, err := decoded(bytes.Split(keyText, []byte("\n")), 1, 2+8+ed25519.PublicKeySize)
	if err != nil {
		return fmt.Errorf("the public key: %w", err)
	}
	lines := bytes.Split(signed, []byte("\n"))
	signature, err := decoded(lines, 1, 2+8+ed25519.SignatureSize)
	if err != nil {
		return fmt.Errorf("the signature: %w", err)
	}
	global, err := decoded(lines, 3, ed25519.SignatureSize)
	if err != nil {
		return fmt.Errorf("the signature of the comment: %w", err)
	}
	if string(signature[:2]) != algorithm || !bytes.Equal(signature[2:10], key[2:10]) {
		return errors.New("the signature is of another key, or by another algorithm")
	}
	digest := blake2b.Sum512(content)
	public := ed25519.PublicKey(key[10:])
	trusted, ok := bytes.CutPrefix(lines[2], []byte("trusted comment: "))
	if !ok || !ed25519.Verify(public, digest[:], signature[10:]) || !ed25519.Verify(public, slices.Concat(signature[10:], trusted), global) {
		return errors.New("the signature does not fit: the file, its signature or the key was changed")
	}
	return nil
}

func decoded(lines [][]byte, n, size int) ([]byte, error) {
	if len(lines) <= n {
		return nil, errors.New("it has too few lines")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(lines[n]))
	if err != nil || len(raw) != size {
		return nil, fmt.Errorf("line %d is not the base64 of %d bytes", n+1, size)
	}
	return raw, nil
}
