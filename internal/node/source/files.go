package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// Files is a directory of *.yaml, *.yml and *.json files, its sub-directories left out. It is read every Every, and delivered when its contents changed: no
// notification is lost that way, whoever replaces the files (a rename, a symbolic link that moves, a network file system).
type Files struct {
	Dir string
	// Every is how often it is looked at.
	Every time.Duration
	// Failsafes are those of the command line.
	Failsafes []firewall.Failsafe
}

// Dials implements Source: nobody does.
func (Files) Dials() bool { return false }

// Run implements Source.
func (f Files) Run(ctx context.Context, deliver func(Update)) error {
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	var last [sha256.Size]byte
	first := true
	for {
		u, sum := f.read()
		if first || sum != last {
			deliver(u)
		}
		first, last = false, sum
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// read gives the contents, and a digest of them or of why they can't be read.
func (f Files) read() (Update, [sha256.Size]byte) {
	fail := func(err error) (Update, [sha256.Size]byte) {
		return Update{Err: fmt.Errorf("policies in %s: %w", f.Dir, err)}, sha256.Sum256([]byte(err.Error()))
	}
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		return fail(err)
	}
	digest := sha256.New()
	var manifests []calico.Objects
	var parts []*v1alpha1.CommunicationMatrix
	var problems []error
	for _, e := range entries { // sorted by name
		if e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(f.Dir, e.Name()))
		if err != nil {
			return fail(err)
		}
		fmt.Fprintf(digest, "%s %d\n%s", e.Name(), len(text), text)
		o, m, err := Decode(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.Name(), err))
		}
		manifests, parts = append(manifests, o), append(parts, m...)
	}
	matrices, err := Join(parts)
	if err != nil {
		problems = append(problems, err)
	}
	if len(problems) > 0 {
		return fail(errors.Join(problems...))
	}
	p, err := Gather(manifests, matrices, slices.Clone(f.Failsafes))
	if err != nil {
		return fail(err)
	}
	return Update{Policies: p}, [sha256.Size]byte(digest.Sum(nil))
}
