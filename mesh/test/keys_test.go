package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// badKeys tries every key that must let nobody in.
func (l *lab) badKeys(t *testing.T, p place, used string) {
	t.Helper()
	try := func(name, text string) {
		file := l.keyFile(meshkey.Minted{Key: secret.New(text)})
		said := l.refused(l.start(p, "bad-"+name, l.joinArgs("proxy", "bad-"+name, file)...))
		if strings.Contains(said, text) {
			t.Errorf("%s: the key is in the log", name)
		}
	}
	try("used", used)
	try("invented", "hskey-auth-aaaaaaaaaaaa-"+strings.Repeat("b", 64))

	expired := firewallSpec("late")
	expired.LifetimeSeconds = 1
	key, minted := l.key("late", expired)
	l.until("the key expires", func(ctx context.Context) error {
		if err := l.api.Get(ctx, client.ObjectKeyFromObject(key), key); err != nil {
			return err
		}
		if key.Status.State != ingot.MeshKeyExpired {
			return fmt.Errorf("it is %s", key.Status.State)
		}
		return nil
	})
	try("expired", minted.Key.Reveal())

	void, voidMinted := l.key("void", firewallSpec("void"))
	if err := errors.Join(l.api.Get(t.Context(), client.ObjectKeyFromObject(void), void), l.api.Delete(t.Context(), void)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.keys.Mint(t.Context(), namespace, "void"); !errors.Is(err, meshkey.ErrUnknown) {
		t.Errorf("a key for a deleted MeshKey: %v", err)
	}
	// Until that is seen the key lets a node as far as the quarantine, and the node is expelled.
	l.until("the key of a deleted MeshKey is void", func(context.Context) error {
		if line := fmt.Sprintf(`without a MeshKey is void","key":%d}`, void.Status.KeyID); !l.serve.said(line) {
			return fmt.Errorf("the coordinator has not said %q", line)
		}
		return nil
	})
	try("void", voidMinted.Key.Reveal())

	if _, err := l.keys.Mint(t.Context(), namespace, "late"); !errors.Is(err, meshkey.ErrSpent) {
		t.Errorf("a second call for one MeshKey: %v", err)
	}
	if _, err := l.minter(pki.RoleProfile("partition", "fra1")).Mint(t.Context(), namespace, "edge"); !errors.Is(err, meshkey.ErrForbidden) {
		t.Errorf("the partition role asks for a key: %v", err)
	}
}

// keyIsNowhere looks for the keys in all objects, logs, stores and arguments.
func (l *lab) keyIsNowhere(t *testing.T, keys ...string) {
	t.Helper()
	var nodes ingot.MeshNodeList
	var all ingot.MeshKeyList
	if err := errors.Join(l.api.List(t.Context(), &nodes), l.api.List(t.Context(), &all)); err != nil {
		t.Fatal(err)
	}
	objects := fmt.Sprintf("%+v %+v", nodes, all)
	read := 0
	for _, key := range keys {
		if strings.Contains(objects, key) {
			t.Error("a key is in an object")
		}
		err := filepath.WalkDir(l.dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "key-") || !d.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			read++
			if bytes.Contains(text, []byte(key)) {
				t.Errorf("a key is in %s", file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range []int{l.serve.PID(), l.relay.PID()} {
			for _, what := range []string{"cmdline", "environ"} {
				text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), what))
				if err != nil || len(text) == 0 {
					t.Fatalf("read a process's %s: %v", what, err)
				}
				if bytes.Contains(text, []byte(key)) {
					t.Errorf("a key is in the %s of process %d", what, pid)
				}
			}
		}
	}
	if read < 2*len(keys) {
		t.Errorf("only %d files were looked at", read)
	}
}

// mostMemory is what an idle member may hold, in bytes.
const mostMemory = 40 << 20

// memory reads what the processes hold. ip netns exec becomes the program, so that the process is the program's.
func (l *lab) memory(t *testing.T, members ...*member) {
	t.Helper()
	resident := func(pid int) (rss, anonymous int) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil {
			t.Fatal(err)
		}
		read := func(name string) int {
			for line := range strings.Lines(string(text)) {
				if rest, ok := strings.CutPrefix(line, name+":"); ok {
					n, err := strconv.Atoi(strings.Fields(rest)[0])
					if err != nil {
						t.Fatal(err)
					}
					return n << 10
				}
			}
			t.Fatalf("no %s in the status of process %d", name, pid)
			return 0
		}
		return read("VmRSS"), read("RssAnon")
	}
	mib := func(n int) float64 { return float64(n) / (1 << 20) }
	for _, m := range members {
		// What a member needed to join it gives back when it is idle, in its own time.
		l.until("member "+m.name+" holds little memory", func(context.Context) error {
			rss, anonymous := resident(m.PID())
			if rss > mostMemory {
				return fmt.Errorf("it holds %.1f MiB, more than %d", mib(rss), mostMemory>>20)
			}
			t.Logf("memory of member %s: %.1f MiB, of which %.1f MiB are its own and the rest is the program's file", m.name, mib(rss), mib(anonymous))
			return nil
		})
	}
	for name, p := range map[string]*process{"coordinator": l.serve, "relay": l.relay} {
		rss, anonymous := resident(p.PID())
		t.Logf("memory of the %s: %.1f MiB, of which %.1f MiB are its own", name, mib(rss), mib(anonymous))
	}
}
