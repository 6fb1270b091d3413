package partition

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// agentLogs keeps what agents log: one file per boot below the data directory, a bounded number and size per host. They are for people. Losing them loses
// nothing else, so a line that cannot be kept is dropped with a note in our own log.
//
// A line begins with its number, so that a repeated request after a lost answer adds nothing, also after a restart.
type agentLogs struct {
	dir string
	// hostOf names the host of a boot.
	hostOf func(context.Context, string) (types.NamespacedName, error)
	log    *slog.Logger

	mu sync.Mutex
	// last is the number of the last line kept per file.
	last map[string]int64
}

// The bounds per host.
const (
	maxLogBytes = 4 << 20
	maxLogFiles = 4
)

func newAgentLogs(dir string, hostOf func(context.Context, string) (types.NamespacedName, error), log *slog.Logger) *agentLogs {
	return &agentLogs{dir: dir, hostOf: hostOf, log: log, last: map[string]int64{}}
}

// Append implements agentapi.Logs.
func (l *agentLogs) Append(ctx context.Context, bootID string, first int64, lines []protocol.LogLine) {
	host, err := l.hostOf(ctx, bootID)
	if err == nil {
		err = l.append(host, bootID, first, lines)
	}
	if err != nil {
		l.log.Warn("agent's log lines not kept", "boot", bootID, "err", err)
	}
}

func (l *agentLogs) append(host types.NamespacedName, bootID string, first int64, lines []protocol.LogLine) error {
	dir := l.hostDir(host)
	name := filepath.Join(dir, bootID+".log")
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.last[name]
	if !known {
		if err := l.open(dir, name); err != nil {
			return err
		}
		last = lastNumber(name)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var b strings.Builder
	if first > last+1 && last > 0 {
		fmt.Fprintf(&b, "%d [%d lines of the agent are missing]\n", first-1, first-last-1)
	}
	for i, line := range lines {
		number := first + int64(i)
		if number <= last {
			continue
		}
		last = number
		fmt.Fprintf(&b, "%d %s %s %s\n", number, line.Time.UTC().Format(time.RFC3339Nano), line.Level, strings.ReplaceAll(line.Text, "\n", " "))
	}
	if info, err := f.Stat(); err == nil && info.Size()+int64(b.Len()) <= maxLogBytes {
		_, err = f.WriteString(b.String())
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	l.last[name] = last
	return f.Close()
}

// open makes room for a boot's file: the oldest of the host's files go.
func (l *agentLogs) open(dir, name string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files, err := byAge(dir)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f string) bool { return f == name })
	for len(files) >= maxLogFiles {
		if err := os.Remove(files[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		delete(l.last, files[0])
		files = files[1:]
	}
	return nil
}

// Copy writes all that is kept of a host's agents, the oldest boot first, without the numbers.
func (l *agentLogs) Copy(w io.Writer, host types.NamespacedName) error {
	files, err := byAge(l.hostDir(host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := copyLines(w, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *agentLogs) hostDir(host types.NamespacedName) string {
	return filepath.Join(l.dir, host.Namespace, host.Name)
}

func copyLines(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(w, "=== boot %s\n", strings.TrimSuffix(filepath.Base(name), ".log")); err != nil {
		return err
	}
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		if _, text, ok := strings.Cut(line, " "); ok {
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// byAge lists a folder's files, the oldest first.
func byAge(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	modified := map[string]time.Time{}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		name := filepath.Join(dir, e.Name())
		modified[name] = info.ModTime()
		names = append(names, name)
	}
	slices.SortStableFunc(names, func(a, b string) int { return modified[a].Compare(modified[b]) })
	return names, nil
}

// lastNumber is the number that the last line of a file begins with, 0 for none.
func lastNumber(name string) int64 {
	const tail = 16 << 10
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tail {
		if _, err := f.Seek(-tail, io.SeekEnd); err != nil {
			return 0
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return 0
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	var number int64
	if _, err := fmt.Sscanf(lines[len(lines)-1], "%d ", &number); err != nil {
		return 0
	}
	return number
}
