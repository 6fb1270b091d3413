package up

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine bounds one line of a role's log; what is longer is cut into several.
	maxLine = 64 << 10
	// maxLogFile is where a log file is set aside; one older one is kept.
	maxLogFile = 64 << 20
)

// logFile is a role's log: every line that the role says, over its restarts.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

func openLog(path string) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the logs: %w", err)
	}
	l := &logFile{path: path}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log %s: %w", l.path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the log %s: %w", l.path, err), f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write appends, and sets a full file aside.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > maxLogFile {
		if err := errors.Join(l.file.Close(), os.Rename(l.path, l.path+".1"), l.open()); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// show reads a role's lines until it ends, keeps each in the file and prints the short form of those that matter to people.
func show(role string, from io.Reader, file io.Writer, screen *screen) {
	r := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			// A disk that is full must not stop the role: it would block on its next line.
			_, _ = file.Write(line)
			screen.print(role, strings.TrimRight(string(line), "\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// screen prints lines of several roles, each whole.
type screen struct {
	verbose bool

	mu  sync.Mutex
	out io.Writer
}

func (s *screen) print(role, line string) {
	text, matters := short(line)
	if !matters && !s.verbose {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, "%-10s %s\n", role, text)
}

// short makes of a JSON line "15:04:05 message key=value …", and says whether it matters to people: Kubernetes' own lines and debugging do not.
func short(line string) (text string, matters bool) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return line, strings.TrimSpace(line) != ""
	}
	level, _ := fields[slog.LevelKey].(string)
	message, _ := fields[slog.MessageKey].(string)
	_, foreign := fields["part"]
	// etcd names its time "ts"; it speaks only of its own errors, and at its end of sockets that it closed itself.
	_, etcd := fields["ts"]
	var b strings.Builder
	if at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(fields[slog.TimeKey])); err == nil {
		b.WriteString(at.Format(time.TimeOnly) + " ")
	}
	if level != "" && level != "INFO" {
		b.WriteString(strings.ToLower(level) + ": ")
	}
	b.WriteString(message)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key == slog.LevelKey || key == slog.MessageKey || key == slog.TimeKey {
			continue
		}
		fmt.Fprintf(&b, " %s=%v", key, fields[key])
	}
	return b.String(), !foreign && !etcd && level != "DEBUG"
}
