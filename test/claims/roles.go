package claims

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/test/meter"
	"github.com/ingotmetal/ingot/test/port"
)

// processes are how many of the role there are.
const processes = 2

// roles are the processes of the controller role.
type roles struct {
	together bool
	all      [processes]*role
	killed   int
	fail     context.CancelCauseFunc
}

// role is one process, which is started again after it was killed.
type role struct {
	program, health, log string
	args                 []string
	now                  *child.Process
	// spent is the CPU time of those before it.
	spent time.Duration
}

func newRoles(ctx context.Context, o Options, fail context.CancelCauseFunc) (*roles, error) {
	rs := &roles{together: o.Together, fail: fail}
	ca, err := pki.OpenCA(filepath.Join(o.Server.DataDir, "pki"), "", time.Now())
	if err != nil {
		return nil, err
	}
	for i := range rs.all {
		dir := filepath.Join(o.Dir, fmt.Sprintf("controller-%d", i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		files := pki.FilesIn(dir, "tls")
		if err := ca.Issue(files, pki.RoleProfile("controller", "", "127.0.0.1"), time.Now()); err != nil {
			return nil, err
		}
		config := filepath.Join(dir, "kubeconfig")
		if err := kubeconfig.WriteRole(config, kubeconfig.Cluster{Name: "race", URL: o.Server.URL, CA: ca.CertPEM()}, files); err != nil {
			return nil, err
		}
		health, err := port.Kept(ctx)
		if err != nil {
			return nil, err
		}
		rs.all[i] = &role{program: filepath.Join(o.Programs, "ingot"), health: health, log: filepath.Join(dir, "log"), args: []string{"controller", "--kubeconfig", config,
			"--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA, "--health-bind", health, fmt.Sprintf("--leader-elect=%t", !o.Together)}}
	}
	for _, r := range rs.all {
		if err := rs.start(r); err != nil {
			rs.stop()
			return nil, err
		}
	}
	return rs, nil
}

// start starts a process. One that ends though nobody ended it ends the race.
func (rs *roles) start(r *role) error {
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of a controller: %w", err)
	}
	defer log.Close()
	c := exec.Command(r.program, r.args...) //nolint:noctx // the program that was just built; stop ends it
	c.Stdout, c.Stderr = log, log
	p, err := child.Start(c)
	if err != nil {
		return err
	}
	r.now = p
	go func() {
		<-p.Done()
		if p.Err() == nil || !killedBySignal(p.Err()) {
			rs.fail(fmt.Errorf("a controller ended by itself: %w; its last words:\n%s", p.Err(), r.lastLog()))
		}
	}()
	return nil
}

// killedBySignal says whether a process was ended from outside.
func killedBySignal(err error) bool { return err != nil && err.Error() == "signal: killed" }

func (r *role) lastLog() []byte {
	const most = 4 << 10
	text, err := os.ReadFile(r.log)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-most):]
}

// kill ends one process at once, and starts it again.
func (rs *roles) kill(i int) error {
	r := rs.all[i]
	r.spent += cpuOf(r.now.PID())
	if err := r.now.Kill(); err != nil && !killedBySignal(err) {
		return err
	}
	rs.killed++
	return rs.start(r)
}

// stop ends all. Their end is the end of the race, which need not be a gentle one.
func (rs *roles) stop() {
	for _, r := range rs.all {
		if r != nil && r.now != nil {
			_ = r.now.Kill()
		}
	}
}

// ready waits until one process leads, or both are there where nobody leads.
func (rs *roles) ready(ctx context.Context) error {
	want := 1
	if rs.together {
		want = processes
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		n := 0
		for _, r := range rs.all {
			if r.leads(ctx) {
				n++
			}
		}
		if n >= want {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d controllers are ready: %w; the first one's last words:\n%s", n, want, context.Cause(ctx), rs.all[0].lastLog())
		}
	}
}

func (r *role) leads(ctx context.Context) bool {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.health+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// usage is the CPU time that was used until now.
type usage struct{ controllers, apiserver time.Duration }

func (r *race) usage() usage {
	u := usage{apiserver: cpuOf(r.Server.PID())}
	for _, x := range r.roles.all {
		u.controllers += x.spent + cpuOf(x.now.PID())
	}
	return u
}

// cpuOf is the CPU time of a process; 0 where it is gone.
func cpuOf(pid int) time.Duration {
	u, err := meter.Of("", pid)
	if err != nil {
		return 0
	}
	return u.CPU
}
