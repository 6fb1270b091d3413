// Package state is what ingot-node keeps on disk: the ruleset that was confirmed last, and the trial that it began.
//
// It owns the directory: rulesets as text that `nft -f` takes, and one file that says which of them counts. It refuses to decide which: package guard does.
//
// The shape: texts are written first, each under a name of its own, then the one file is replaced. So a crash at any point leaves either the old state or the new
// one, never a mixture; texts that nobody refers to are removed later. What is read is held against its digest: a damaged text is not loaded.
//
// Invariants: when Write returns, the state survives a power cut (file and directory are synced). Only root can read the directory.
package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/firewall/guard"
)

// State is everything that outlives the daemon.
type State struct {
	Confirmed guard.Confirmed
	// ConfirmedTexts are those of the confirmed ruleset; AttemptTexts those of the latest attempt.
	ConfirmedTexts, AttemptTexts Names
	Attempt                      guard.Attempt
	Repair                       guard.Repair
	// Highest generation that was ever used, so that none is used twice.
	Highest uint32
	// Traffic says when each row of the matrix was first enforced here and last met a packet.
	Traffic map[string]Traffic
}

// Traffic is a row's.
type Traffic struct{ Since, Last time.Time }

// Names are files of texts with their digests.
type Names struct {
	// Install replaces whatever the table holds; Confirm ends the trial of it.
	Install, Confirm Name
	// Base are the base chains that the ruleset needs.
	Base []string
}

// Name is a file and the SHA-256 of what is in it, in hexadecimal digits.
type Name struct{ File, SHA256 string }

// Dir is the directory.
type Dir string

const stateFile = "state.json"

// Open makes the directory where it is not there.
func Open(path string) (Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("make the state directory: %w", err)
	}
	return Dir(path), nil
}

// Read gives the state; the zero State where nothing was written yet.
func (d Dir) Read() (State, error) {
	var s State
	text, err := os.ReadFile(filepath.Join(string(d), stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, fmt.Errorf("the state in %s is damaged: %w; move it away to begin anew: what the kernel has stays", filepath.Join(string(d), stateFile), err)
	}
	return s, nil
}

// Write replaces the state.
func (d Dir) Write(s State) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return d.replace(stateFile, append(text, '\n'))
}

// Keep writes the texts of a ruleset and gives their names, for a State. Until one with these names is written, they mean nothing.
func (d Dir) Keep(generation uint32, base []string, install, confirm string) (Names, error) {
	n := Names{Base: base}
	for _, one := range []struct {
		into       *Name
		kind, text string
	}{{&n.Install, "install", install}, {&n.Confirm, "confirm", confirm}} {
		sum := sha256.Sum256([]byte(one.text))
		*one.into = Name{SHA256: hex.EncodeToString(sum[:])}
		one.into.File = fmt.Sprintf("generation-%d-%s-%.12s.nft", generation, one.kind, one.into.SHA256)
		if err := d.replace(one.into.File, []byte(one.text)); err != nil {
			return Names{}, err
		}
	}
	return n, nil
}

// Text reads a text and checks it.
func (d Dir) Text(n Name) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(d), filepath.Base(n.File)))
	if err != nil {
		return "", fmt.Errorf("read a ruleset: %w", err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != n.SHA256 {
		return "", fmt.Errorf("the ruleset in %s is damaged: its digest is not the one in %s; it is not loaded", filepath.Join(string(d), n.File), stateFile)
	}
	return string(text), nil
}

// Prune removes texts that a state does not refer to.
func (d Dir) Prune(s State) error {
	keep := []string{s.ConfirmedTexts.Install.File, s.ConfirmedTexts.Confirm.File, s.AttemptTexts.Install.File, s.AttemptTexts.Confirm.File}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return fmt.Errorf("prune the state directory: %w", err)
	}
	for _, e := range entries {
		ours := strings.HasPrefix(e.Name(), "generation-") || strings.HasPrefix(e.Name(), ".new-")
		if ours && !slices.Contains(keep, e.Name()) {
			if err := os.Remove(filepath.Join(string(d), e.Name())); err != nil {
				return fmt.Errorf("prune the state directory: %w", err)
			}
		}
	}
	return nil
}

// Remove takes away all that was written. What else stands in the directory stays, and the directory with it.
func (d Dir) Remove() error {
	if _, err := os.Stat(string(d)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(filepath.Join(string(d), stateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the state: %w", err)
	}
	if err := d.Prune(State{}); err != nil {
		return err
	}
	_ = os.Remove(string(d)) // stays where something foreign is in it
	return nil
}

// replace puts a file in another's place so that a power cut leaves the old one or the new one.
func (d Dir) replace(name string, text []byte) error {
	fail := func(err error) error { return fmt.Errorf("write %s: %w", filepath.Join(string(d), name), err) }
	f, err := os.CreateTemp(string(d), ".new-*")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone after the rename
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fail(err)
	}
	if err := os.Rename(f.Name(), filepath.Join(string(d), name)); err != nil {
		return fail(err)
	}
	dir, err := os.Open(string(d))
	if err != nil {
		return fail(err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fail(err)
	}
	return nil
}
