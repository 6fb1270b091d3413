package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// owner is somebody else where the test may make files of others, else the test's own user.
func owner() int {
	if os.Geteuid() == 0 {
		return 1234
	}
	return os.Geteuid()
}

type item struct {
	tar.Header
	content string
}

func file(name, content string) item {
	return item{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}, content}
}

func link(kind byte, name, to string) item {
	return item{tar.Header{Typeflag: kind, Name: name, Linkname: to, Mode: 0o777}, ""}
}

func folder(name string) item {
	return item{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
}

func pack(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		i.Uid, i.Gid = owner(), owner()
		if i.ModTime.IsZero() {
			i.ModTime = time.Unix(1_000_000_000, 0)
		}
		if err := w.WriteHeader(&i.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, i.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// into unpacks into a folder below a fresh one, and gives both.
func into(t testing.TB, archive []byte) (outer, inner string, sum Summary, err error) {
	t.Helper()
	outer = t.TempDir()
	inner = filepath.Join(outer, "root")
	if err := errors.Join(os.Mkdir(inner, 0o755), os.WriteFile(filepath.Join(outer, "secret"), []byte("untouched"), 0o600)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inner)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	sum, err = Unpack(t.Context(), bytes.NewReader(archive), root, 4<<20)
	return outer, inner, sum, err
}

// untouched holds that nothing changed beside the folder.
func untouched(t testing.TB, name, outer string) {
	t.Helper()
	entries, err := os.ReadDir(outer)
	if err != nil || len(entries) != 2 {
		t.Errorf("%s: outside are %v, %v", name, entries, err)
	}
	info, err := os.Lstat(filepath.Join(outer, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if b, err := os.ReadFile(filepath.Join(outer, "secret")); err != nil || string(b) != "untouched" || info.Mode() != 0o600 || !ok || int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		t.Errorf("%s: the file outside is %q, %v, %v", name, b, info.Mode(), err)
	}
}

func TestARootFileSystem(t *testing.T) {
	big := strings.Repeat("\x00", 1<<20) + "end"
	when := time.Unix(1_234_567_890, 0)
	dir := folder("etc/")
	dir.ModTime = when
	setuid := file("./usr/bin/su", "program")
	setuid.Mode = 0o4755
	sticky := folder("tmp")
	sticky.Mode = 0o1777
	attributed := file("usr/bin/ping", "program")
	attributed.PAXRecords = map[string]string{"SCHILY.xattr.user.ingot": "value"}
	_, inner, sum, err := into(t, pack(t, folder("./"), dir, file("/etc/hostname", "debian\n"), setuid, sticky, attributed, link(tar.TypeSymlink, "bin", "usr/bin"), link(tar.TypeLink, "usr/bin/sudo", "usr/bin/su"),
		link(tar.TypeSymlink, "etc/mtab", "/proc/self/mounts"), file("var/sparse", big), item{tar.Header{Typeflag: tar.TypeFifo, Name: "run/pipe", Mode: 0o640}, ""},
		item{tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3}, ""}, file("etc/hostname", "again\n"), file("bin/through", "in usr")))
	if err != nil {
		t.Fatal(err)
	}
	if sum.Entries != 14 || sum.Devices != 1 || sum.Bytes < 1<<20 {
		t.Errorf("%+v", sum)
	}
	at := func(name string) string { return filepath.Join(inner, name) }
	for name, want := range map[string]string{"etc/hostname": "again\n", "usr/bin/sudo": "program", "bin/ping": "program", "var/sparse": big, "usr/bin/through": "in usr"} {
		if b, err := os.ReadFile(at(name)); err != nil || string(b) != want {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	for name, want := range map[string]fs.FileMode{"usr/bin/sudo": 0o755 | fs.ModeSetuid, "tmp": 0o777 | fs.ModeSticky | fs.ModeDir, "run/pipe": 0o640 | fs.ModeNamedPipe, "etc": 0o755 | fs.ModeDir} {
		info, err := os.Lstat(at(name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info, err)
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != owner() || int(st.Gid) != owner() {
			t.Errorf("%s belongs to %d", name, st.Uid)
		}
	}
	if info, err := os.Stat(at("etc")); err != nil || !info.ModTime().Equal(when) {
		t.Errorf("the folder's time is %v, %v", info.ModTime(), err)
	}
	if to, err := os.Readlink(at("etc/mtab")); err != nil || to != "/proc/self/mounts" {
		t.Error(to, err)
	}
	value := make([]byte, 16)
	if n, err := unix.Getxattr(at("usr/bin/ping"), "user.ingot", value); err != nil || string(value[:n]) != "value" {
		t.Errorf("attribute %q, %v", value[:max(n, 0)], err)
	}
	if info, err := os.Stat(at("var/sparse")); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Blocks*512 > 128<<10 {
			t.Errorf("a file of one MiB of zeros takes %d bytes", st.Blocks*512)
		}
	}
	if _, err := os.Lstat(at("dev/null")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a device node was made")
	}
}

func TestWhatLeadsOutside(t *testing.T) {
	trusted := file("a", "")
	trusted.PAXRecords = map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}
	for name, items := range map[string][]item{
		"upwards":                          {file("../secret", "x")},
		"upwards in the middle":            {folder("a"), file("a/../../secret", "x")},
		"a folder upwards":                 {folder("../x")},
		"through a link upwards":           {link(tar.TypeSymlink, "out", ".."), file("out/secret", "x")},
		"through an absolute link":         {link(tar.TypeSymlink, "out", "/"), file("out/tmp/ingot-archive-test", "x")},
		"through two links":                {folder("a"), link(tar.TypeSymlink, "a/b", ".."), link(tar.TypeSymlink, "out", "a/b/.."), file("out/secret", "x")},
		"a folder made below a link":       {link(tar.TypeSymlink, "out", ".."), folder("out/new")},
		"a link made below a link":         {link(tar.TypeSymlink, "out", ".."), link(tar.TypeSymlink, "out/new", "x")},
		"a FIFO below a link":              {link(tar.TypeSymlink, "out", ".."), {tar.Header{Typeflag: tar.TypeFifo, Name: "out/new", Mode: 0o644}, ""}},
		"a hard link upwards":              {link(tar.TypeLink, "a", "../secret")},
		"a hard link through a link":       {link(tar.TypeSymlink, "out", ".."), link(tar.TypeLink, "a", "out/secret")},
		"a hard link to nothing":           {link(tar.TypeLink, "a", "b")},
		"a device":                         {{tar.Header{Typeflag: tar.TypeBlock, Name: "sda", Mode: 0o666, Devmajor: 8}, ""}},
		"a device beside /dev":             {{tar.Header{Typeflag: tar.TypeChar, Name: "devil/mem", Mode: 0o666, Devmajor: 1, Devminor: 1}, ""}},
		"an attribute of overlays":         {trusted},
		"more than fits":                   {file("a", strings.Repeat("a", 3<<20)), file("b", strings.Repeat("a", 3<<20))},
		"a link to nothing":                {link(tar.TypeSymlink, "a", "")},
		"the root as a file":               {file(".", "x")},
		"the root as a link":               {link(tar.TypeSymlink, "./", "..")},
		"an unknown type":                  {{tar.Header{Typeflag: 'V', Name: "a"}, ""}},
		"a folder with content, as a file": {folder("a"), file("a/b", ""), file("a", "x")},
	} {
		outer, _, _, err := into(t, pack(t, items...))
		if err == nil {
			t.Errorf("%s: it is unpacked", name)
		}
		untouched(t, name, outer)
	}
}

// What replaces a link takes its place, and does not go where it leads.
func TestALinkIsReplacedAndNotFollowed(t *testing.T) {
	for name, items := range map[string][]item{
		"by a file":      {link(tar.TypeSymlink, "a", "../secret"), file("a", "x")},
		"by a folder":    {link(tar.TypeSymlink, "a", ".."), folder("a"), file("a/b", "x")},
		"by a link":      {link(tar.TypeSymlink, "a", "../secret"), link(tar.TypeSymlink, "a", "b")},
		"by a hard link": {file("f", "x"), link(tar.TypeSymlink, "a", "../secret"), link(tar.TypeLink, "a", "f")},
		"by a FIFO":      {link(tar.TypeSymlink, "a", "../secret"), {tar.Header{Typeflag: tar.TypeFifo, Name: "a", Mode: 0o600}, ""}},
		"to itself":      {file("f", "x"), link(tar.TypeLink, "f", "f")},
	} {
		outer, _, _, err := into(t, pack(t, items...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		untouched(t, name, outer)
	}
}

func TestATornArchive(t *testing.T) {
	whole := pack(t, file("a", strings.Repeat("a", 100_000)), file("b", "b"))
	for _, n := range []int{100, 5000, 100_500} {
		if _, _, _, err := into(t, whole[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Unpack(ctx, bytes.NewReader(whole), root, 4<<20); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(pack(f, folder("a"), file("a/b", "content"), link(tar.TypeSymlink, "c", "a"), link(tar.TypeLink, "d", "a/b"), file("c/e", "x")))
	f.Add(pack(f, link(tar.TypeSymlink, "out", ".."), file("out/secret", "x")))
	f.Add(pack(f, link(tar.TypeSymlink, "a", "../secret"), file("a", "x"), item{tar.Header{Typeflag: tar.TypeFifo, Name: "p"}, ""}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if len(archive) > 1<<20 {
			return
		}
		outer, _, _, _ := into(t, archive)
		untouched(t, "fuzzed", outer)
	})
}
