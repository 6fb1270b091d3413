package trail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/pki"
)

const (
	sentPrefix = "sent-"
	sentSuffix = ".json"
)

// Position is how far a sink has confirmed a trail. It stands in the trail's folder, since retention heeds it.
type Position struct {
	// Seq is the last record that the sink has for good.
	Seq uint64 `json:"seq"`
	// Hash is that record's, so that a trail that was replaced is not taken for this one.
	Hash string    `json:"hash"`
	Time time.Time `json:"time"`
	// Failures is how often the sink did not take what was sent.
	Failures uint64 `json:"failures,omitempty"`
}

func positionFile(dir, sink string) string {
	return filepath.Join(dir, sentPrefix+sink+sentSuffix)
}

// ReadPosition reads how far a sink is; the zero Position where it never was.
func ReadPosition(dir, sink string) (Position, error) {
	var p Position
	text, err := os.ReadFile(positionFile(dir, sink))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read how far sink %s is: %w", sink, err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("how far sink %s is cannot be read from %s; remove the file to send everything again: %w", sink, positionFile(dir, sink), err)
	}
	return p, nil
}

// WritePosition keeps how far a sink is, over a loss of power too.
func WritePosition(dir, sink string, p Position) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode how far sink %s is: %w", sink, err)
	}
	if err := pki.WriteFile(positionFile(dir, sink), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep how far sink %s is: %w", sink, err)
	}
	return nil
}

// Sinks are the names of those that the trail is sent to, or was.
func Sinks(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, sentPrefix+"*"+sentSuffix))
	if err != nil {
		return nil, fmt.Errorf("list the sinks of the audit trail: %w", err)
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), sentPrefix), sentSuffix)
	}
	return names, nil
}

// leastSent is how far the slowest sink is.
func leastSent(dir string) (seq uint64, sinks bool, err error) {
	names, err := Sinks(dir)
	if err != nil {
		return 0, false, err
	}
	for _, sink := range names {
		p, err := ReadPosition(dir, sink)
		if err != nil {
			return 0, true, nil //nolint:nilerr // a position that cannot be read keeps everything: the sink may have nothing
		}
		if !sinks || p.Seq < seq {
			seq, sinks = p.Seq, true
		}
	}
	return seq, sinks, nil
}
