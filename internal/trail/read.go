package trail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ingotmetal/ingot/audit"
)

// lookAgain is how long Follow waits before it looks for more.
const lookAgain = 300 * time.Millisecond

// Follow calls take with each line from the file on that has the record number from; with on it goes on as the trail grows, until ctx ends.
func Follow(ctx context.Context, dir string, from uint64, on bool, take func(Line) error) error {
	r := NewReader(dir, from)
	defer func() { _ = r.Close() }() // it was only read
	for ctx.Err() == nil {
		line, err := r.Next()
		switch {
		case err == nil:
			if err := take(line); err != nil {
				return err
			}
		case !errors.Is(err, io.EOF):
			return err
		case !on:
			return nil
		default:
			select {
			case <-ctx.Done():
			case <-time.After(lookAgain):
			}
		}
	}
	return ctx.Err()
}

// splitLines cuts a text at its newlines; torn is what follows the last one.
func splitLines(text []byte) (lines [][]byte, torn []byte) {
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return lines, line
		}
		lines, text = append(lines, line), rest
	}
}

// Line is one line of a file, without its newline. Text is good until the next call.
type Line struct {
	File string
	// Number counts from 1 in the file.
	Number int
	Text   []byte
}

// Reader reads a trail from a record on, and goes on as it grows. It may run beside the writer, in another process too. Not for several goroutines.
type Reader struct {
	dir    string
	start  uint64
	file   *os.File
	first  uint64 // of the open file
	offset int64
	number int
	// buf holds file bytes from bufAt on: whole lines are taken from it, and what is behind the last newline is read again, since the writer may still take it back.
	buf   []byte
	bufAt int64
}

// NewReader reads the lines of a folder from the file on that has the record number from; earlier records of that file come too.
func NewReader(dir string, from uint64) *Reader { return &Reader{dir: dir, start: from} }

// Close gives the open file free.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// readSize is what is read at once; it holds any line.
const readSize = 2 * audit.MaxLine

// Next gives the next line, or io.EOF when there is none now: later there may be.
func (r *Reader) Next() (Line, error) {
	for {
		if r.file == nil {
			if err := r.open(); err != nil {
				return Line{}, err
			}
		}
		// Which file follows is looked up first: once there is one, this one does not grow any more.
		if line, ok := r.take(); ok {
			return line, nil
		}
		next, err := r.following()
		if err != nil {
			return Line{}, err
		}
		if err := r.fill(); err != nil {
			return Line{}, err
		}
		if line, ok := r.take(); ok {
			return line, nil
		}
		if next == nil {
			return Line{}, io.EOF
		}
		if rest := r.bufAt + int64(len(r.buf)) - r.offset; rest > 0 {
			return r.remains(), nil
		}
		if err := r.use(*next); err != nil {
			return Line{}, err
		}
	}
}

// take gives a whole line of what was read.
func (r *Reader) take() (Line, bool) {
	rest := r.buf[min(int64(len(r.buf)), r.offset-r.bufAt):]
	line, _, whole := bytes.Cut(rest, []byte("\n"))
	if !whole {
		return Line{}, false
	}
	r.offset += int64(len(line)) + 1
	r.number++
	return Line{File: r.file.Name(), Number: r.number, Text: line}, true
}

// remains gives the end of a finished file as a line, though it has no newline: verification must see it.
func (r *Reader) remains() Line {
	rest := r.buf[r.offset-r.bufAt:]
	r.offset += int64(len(rest))
	r.number++
	return Line{File: r.file.Name(), Number: r.number, Text: rest}
}

// Torn is what follows the last newline at the end of the newest file, after Next gave io.EOF.
func (r *Reader) Torn() (file string, number, length int) {
	if r.file == nil {
		return "", 0, 0
	}
	return r.file.Name(), r.number + 1, int(r.bufAt + int64(len(r.buf)) - r.offset)
}

func (r *Reader) fill() error {
	if cap(r.buf) == 0 {
		r.buf = make([]byte, 0, readSize)
	}
	n, err := r.file.ReadAt(r.buf[:cap(r.buf)], r.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", r.file.Name(), err)
	}
	r.buf, r.bufAt = r.buf[:n], r.offset
	if n == cap(r.buf) && bytes.IndexByte(r.buf, '\n') < 0 {
		return fmt.Errorf("read %s: line %d is longer than %d bytes: it is no audit trail", r.file.Name(), r.number+1, audit.MaxLine)
	}
	return nil
}

// open takes the file that has the record to start with; where that was removed, the oldest one.
func (r *Reader) open() error {
	files, err := Files(r.dir)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return io.EOF
	}
	i := 0
	for i+1 < len(files) && files[i+1].First <= r.start {
		i++
	}
	return r.use(files[i])
}

func (r *Reader) use(s Segment) error {
	file, err := os.Open(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		// Retention was quicker: the next look finds the oldest one that is left.
		if r.file != nil {
			err = r.file.Close()
			r.file, r.start = nil, s.First
			return err
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", s.Path, err)
	}
	if r.file != nil {
		if err := r.file.Close(); err != nil {
			return errors.Join(fmt.Errorf("close %s: %w", r.file.Name(), err), file.Close())
		}
	}
	r.file, r.first, r.offset, r.number, r.buf, r.bufAt = file, s.First, 0, 0, r.buf[:0], 0
	return nil
}

// following is the file after the open one.
func (r *Reader) following() (*Segment, error) {
	files, err := Files(r.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.First > r.first {
			return &f, nil
		}
	}
	return nil, nil // there is none
}
