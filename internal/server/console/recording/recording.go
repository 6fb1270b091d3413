// Package recording keeps what was seen at consoles: one file in asciinema's format for each session.
//
// It owns the folder, the files' names and what their headers say: who saw which console when, and of which allocation. It refuses to know who may read one (the server asks), and which
// ones are kept (console.Expired).
//
// Invariants: each event is in the file when Write returns, so that a crash loses none that was shown; input is written only where the site says so; names from outside never become paths.
package recording

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/console/asciicast"
)

// Meta is the header's part that is ours.
type Meta struct {
	ID     string         `json:"id"`
	Who    string         `json:"who"`
	From   string         `json:"from,omitempty"`
	Target console.Target `json:"target"`
	// NamespaceUID tells a project from another one that had the same name.
	NamespaceUID string             `json:"namespaceUID"`
	Host         string             `json:"host"`
	Allocation   console.Allocation `json:"allocation"`
	Began        time.Time          `json:"began"`
	Input        bool               `json:"input,omitempty"`
}

// Info is a recording and its file.
type Info struct {
	Meta

	Bytes int64     `json:"bytes"`
	Ended time.Time `json:"ended"`
	Open  bool      `json:"open,omitempty"`
}

// Store is the folder.
type Store struct {
	dir string
	// largest bounds one recording, in bytes.
	largest int64
	now     func() time.Time

	mu   sync.Mutex
	open map[string]bool
}

const suffix = ".cast"

var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}$`)

// OpenStore makes the folder where it is not there.
func OpenStore(dir string, largest int64, now func() time.Time) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of recordings: %w", err)
	}
	return &Store{dir: dir, largest: largest, now: now, open: map[string]bool{}}, nil
}

// Recorder writes one recording.
type Recorder struct {
	Meta

	store *Store
	began time.Time

	mu      sync.Mutex
	file    *os.File
	bytes   int64
	out, in asciicast.Text
}

// Begin starts a recording.
func (s *Store) Begin(m Meta) (*Recorder, error) {
	random := make([]byte, 6)
	_, _ = rand.Read(random) // never fails (crypto/rand, since Go 1.24)
	m.Began = s.now().UTC()
	m.ID = m.Began.Format("20060102T150405Z") + "-" + hex.EncodeToString(random)
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("begin a recording: %w", err)
	}
	const width, height = 80, 24
	head, err := asciicast.EncodeHeader(asciicast.Header{Width: width, Height: height, Timestamp: m.Began.Unix(), Title: m.Target.String() + " by " + m.Who, Ingot: text})
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(s.path(m.ID), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin a recording: %w", err)
	}
	r := &Recorder{Meta: m, store: s, began: m.Began, file: file}
	s.mark(m.ID, true)
	if err := r.line(head); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id+suffix) }

func (s *Store) mark(id string, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.open[id] = true
	} else {
		delete(s.open, id)
	}
}

func (r *Recorder) line(text []byte) error {
	if r.bytes += int64(len(text)); r.store.largest > 0 && r.bytes > r.store.largest {
		return fmt.Errorf("the recording has %d bytes: begin another session", r.bytes)
	}
	if _, err := r.file.Write(text); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	return nil
}

func (r *Recorder) event(k asciicast.Kind, data string) error {
	if data == "" {
		return nil
	}
	text, err := asciicast.EncodeEvent(asciicast.Event{At: max(r.store.now().Sub(r.began), 0), Kind: k, Data: data})
	if err != nil {
		return err
	}
	return r.line(text)
}

// Output adds what the machine wrote.
func (r *Recorder) Output(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.event(asciicast.Output, r.out.Add(p))
}

// Typed adds what was typed, if the recording is one with input.
func (r *Recorder) Typed(p []byte) error {
	if !r.Input {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.event(asciicast.Input, r.in.Add(p))
}

// Mark adds what was said beside the console.
func (r *Recorder) Mark(text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.event(asciicast.Marker, text)
}

// Close ends the recording.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errors.Join(r.event(asciicast.Output, r.out.Flush()), r.event(asciicast.Input, r.in.Flush()), r.file.Close())
	r.store.mark(r.ID, false)
	return err
}

// List gives all recordings, the newest first. A file that cannot be read is passed over: it is no recording.
func (s *Store) List() ([]Info, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list recordings: %w", err)
	}
	var all []Info
	for _, e := range entries {
		id, is := strings.CutSuffix(e.Name(), suffix)
		if !is {
			continue
		}
		if i, err := s.Info(id); err == nil {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}

// ErrNone: there is no such recording.
var ErrNone = errors.New("there is no such recording")

// Info reads a recording's header.
func (s *Store) Info(id string) (Info, error) {
	f, err := s.File(id)
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = f.Close() }()
	stat, err := f.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("read recording %s: %w", id, err)
	}
	first, err := bufio.NewReaderSize(f, asciicast.MaxLine).ReadSlice('\n')
	if err != nil {
		return Info{}, fmt.Errorf("read recording %s: %w", id, err)
	}
	m, err := MetaOf(first)
	if err != nil || m.ID != id {
		return Info{}, errors.Join(fmt.Errorf("read recording %s: its header is another one's", id), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return Info{Meta: m, Bytes: stat.Size(), Ended: stat.ModTime().UTC(), Open: s.open[id]}, nil
}

// MetaOf reads our part of a recording's first line.
func MetaOf(line []byte) (Meta, error) {
	h, err := asciicast.DecodeHeader(bytes.TrimSpace(line))
	if err != nil {
		return Meta{}, err
	}
	var m Meta
	if err := json.Unmarshal(h.Ingot, &m); err != nil {
		return m, fmt.Errorf("it is no recording of Ingot: %w", err)
	}
	return m, nil
}

// File opens a recording.
func (s *Store) File(id string) (*os.File, error) {
	if !idPattern.MatchString(id) {
		return nil, ErrNone
	}
	f, err := os.Open(s.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("read recording %s: %w", id, err)
	}
	return f, nil
}

// Sweep removes what is not kept, and says how many that were.
func (s *Store) Sweep(k console.Keep) (int, error) {
	infos, err := s.List()
	if err != nil {
		return 0, err
	}
	all := make([]console.Recording, 0, len(infos))
	for _, i := range infos {
		all = append(all, console.Recording{ID: i.ID, Bytes: i.Bytes, Ended: i.Ended, Open: i.Open})
	}
	var problems []error
	gone := console.Expired(all, k, s.now())
	for _, id := range gone {
		if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
			problems = append(problems, fmt.Errorf("remove recording %s: %w", id, err))
		}
	}
	return len(gone), errors.Join(problems...)
}
