package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ingotmetal/ingot/internal/ship/postgres"
	"github.com/ingotmetal/ingot/internal/ship/shiptest"
	"github.com/ingotmetal/ingot/test/port"
)

const password = "the-database-password"

// database is a PostgreSQL of the test's own, on loopback.
type database struct {
	bin, dir, address string
	as                *syscall.Credential
	cmd               *exec.Cmd
	log               *bytes.Buffer
}

// newDatabase makes one as the user postgres, since PostgreSQL runs for anybody but root.
func newDatabase(t *testing.T) *database {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Fatal("PostgreSQL is not here: apt-get install postgresql")
	}
	d := &database{bin: filepath.Dir(found[len(found)-1]), log: &bytes.Buffer{}}
	// Not t.TempDir: its parents are closed to other users.
	if d.dir, err = os.MkdirTemp("", "ingot-postgres-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d.dir); err != nil {
			t.Error(err)
		}
	})
	if os.Getuid() == 0 {
		d.as = postgresUser(t)
		if err := os.Chown(d.dir, int(d.as.Uid), int(d.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(d.dir, "password")
	if err := os.WriteFile(file, []byte(password), 0o644); err != nil { // another user reads it, in a test
		t.Fatal(err)
	}
	init := d.command("initdb", "--pgdata", filepath.Join(d.dir, "data"), "--auth", "scram-sha-256", "--username", "auditor", "--pwfile", file, "--no-sync", "--encoding", "UTF8", "--locale", "C")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	d.address = port.Free(t)
	d.start(t)
	t.Cleanup(func() { d.stop(t) })
	return d
}

func postgresUser(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("the package postgresql makes this user: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (d *database) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, name), args...) //nolint:noctx // it outlives the test's context, and is stopped in a cleanup
	cmd.Dir = d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.as, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// start runs the server and waits until it takes connections.
func (d *database) start(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(d.address)
	if err != nil {
		t.Fatal(err)
	}
	d.cmd = d.command("postgres", "-D", filepath.Join(d.dir, "data"), "-h", "127.0.0.1", "-p", port, "-k", "", "-c", "fsync=off")
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, d.url(password))
		if err == nil {
			if err := conn.Close(ctx); err != nil {
				t.Fatal(err)
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PostgreSQL takes no connections: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server at once, as a crash does.
func (d *database) stop(t *testing.T) {
	t.Helper()
	if d.cmd == nil {
		return
	}
	if err := d.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Error(err)
	}
	_ = d.cmd.Wait() // it was told to end without finishing: an error
	d.cmd = nil
}

func (d *database) url(password string) string {
	return fmt.Sprintf("postgres://auditor:%s@%s/postgres?sslmode=disable", password, d.address)
}

func (d *database) sink(t *testing.T) *postgres.Sink {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.New(fmt.Sprintf("postgres://auditor@%s/postgres?sslmode=disable", d.address), file, new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// ask runs one query and gives its first column.
func (d *database) ask(t *testing.T, query string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.url(password))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestInPostgreSQL sends a trail to a real server, which crashes on the way and comes back, and verifies the chain from the table.
func TestInPostgreSQL(t *testing.T) {
	d := newDatabase(t)
	tr := shiptest.New(t)
	sink := d.sink(t)
	tr.Write(t, 700)
	tr.Run(t, sink, func(context.Context) bool { return tr.Sent(t) })

	d.stop(t)
	tr.Write(t, 50)
	restarted := false
	tr.Run(t, sink, func(context.Context) bool {
		if !restarted {
			restarted = true
			d.start(t)
		}
		return tr.Sent(t)
	})
	// All of it once more: nothing is there twice.
	if err := os.Remove(filepath.Join(tr.Dir, "sent-test.json")); err != nil {
		t.Fatal(err)
	}
	tr.Run(t, sink, func(context.Context) bool { return tr.Sent(t) })
	tr.Whole(t, d.ask(t, "SELECT line FROM ingot_audit ORDER BY seq"))
	if got := d.ask(t, "SELECT count(*)::text FROM ingot_audit WHERE user_name = 'alice' AND impersonated_by = 'root' AND verb = 'update' AND resource = 'baremetalhosts' AND record->'request'->>'from' = '10.0.0.7'"); got[0] != "750" {
		t.Errorf("%s rows are found by their columns, want 750", got[0])
	}
	if got := d.ask(t, "SELECT count(DISTINCT installation)::text FROM ingot_audit WHERE installation <> 'unknown'"); got[0] != "1" {
		t.Errorf("%s installations", got[0])
	}
}

// TestHypertable looks that the table is handed to TimescaleDB where that is. Debian has no package of it: a function of its name stands in its place, so what is shown is the call.
func TestHypertable(t *testing.T) {
	d := newDatabase(t)
	d.ask(t, "CREATE TABLE called (t text)")
	d.ask(t, `CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, if_not_exists boolean) RETURNS void LANGUAGE sql AS 'INSERT INTO called VALUES (relation::text || time_column_name)'`)
	tr := shiptest.New(t)
	tr.Write(t, 3)
	sink := d.sink(t)
	tr.Run(t, sink, func(context.Context) bool { return tr.Sent(t) })
	if got := d.ask(t, "SELECT t FROM called"); len(got) != 1 || got[0] != "ingot_audittime" {
		t.Errorf("called for %v", got)
	}
	// An account that may only insert finds the table made.
	d.ask(t, "CREATE ROLE writer LOGIN PASSWORD '"+password+"'")
	d.ask(t, "GRANT INSERT, SELECT ON ingot_audit TO writer")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	least, err := postgres.New(fmt.Sprintf("postgres://writer@%s/postgres?sslmode=disable", d.address), file, new(net.Dialer).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer least.Close(context.Background())
	tr.Write(t, 3)
	tr.Run(t, least, func(context.Context) bool { return tr.Sent(t) })
	tr.Whole(t, d.ask(t, "SELECT line FROM ingot_audit ORDER BY seq"))
}

func TestRefusedURLs(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://u:secret-pw@db.example/x?sslmode=bogus": "cannot be read",
		"postgres://u@db.example/x":                         "sslmode=verify-full",
		"postgres://u@db.example/x?sslmode=disable":         "sslmode=verify-full",
		"postgres://u@db.example/x?sslmode=require":         "sslmode=verify-full",
		"postgres:///x?host=/run/postgresql":                "Unix socket",
	} {
		if _, err := postgres.New(text, "", nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-pw") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := postgres.New("postgres://u@db.example/x?sslmode=verify-full", "", nil); err != nil {
		t.Error(err)
	}
}
