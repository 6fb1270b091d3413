package trail

import (
	"errors"
	"io"
	"time"

	"github.com/ingotmetal/ingot/audit"
)

// A last line without an end is looked at again so many times, with this pause.
const (
	tornTries = 5
	tornPause = 100 * time.Millisecond
)

// Verify reads a whole folder through a verifier, against its own head too.
func Verify(dir string, v *audit.Verifier) (audit.Report, error) {
	head, found, err := ReadHead(dir)
	if err != nil {
		return audit.Report{}, err
	}
	if found {
		v.Heads = append(v.Heads, head)
	}
	r := NewReader(dir, 0)
	defer func() { _ = r.Close() }() // it was only read
	for tries := 0; ; {
		line, err := r.Next()
		if _, _, torn := r.Torn(); errors.Is(err, io.EOF) && torn > 0 && tries < tornTries {
			// It may be being written right now.
			tries++
			time.Sleep(tornPause)
			continue
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return audit.Report{}, err
		}
		v.Add(line.File, line.Number, line.Text)
	}
	if file, number, length := r.Torn(); length > 0 {
		v.Torn(file, number, length)
	}
	return v.End(), nil
}
