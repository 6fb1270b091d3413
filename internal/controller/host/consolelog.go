package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// The kinds of error of ConsoleLog.
var (
	// ErrNoHost: there is no such host here.
	ErrNoHost = errors.New("no such host")
	// ErrNoConsoleLog: the BMC keeps no log of the console.
	ErrNoConsoleLog = errors.New("the BMC keeps no console log")
)

// ConsoleLog reads the log of the serial console that the host's BMC keeps. Where it keeps none and has serial over LAN, it is what the machine writes within a few seconds.
func (r *Reconciler) ConsoleLog(ctx context.Context, key types.NamespacedName) (string, error) {
	host := &metal3.BareMetalHost{}
	err := r.cached.Get(ctx, key, host)
	if apierrors.IsNotFound(err) {
		return "", ErrNoHost
	}
	if err != nil {
		return "", fmt.Errorf("read host %s: %w", key, err)
	}
	if host.Spec.BMC.Address == "" {
		return "", ErrNoConsoleLog
	}
	c, err := r.credentialsOf(ctx, host, nil, r.now())
	if err != nil {
		return "", err
	}
	var text string
	err = r.logins.Use(ctx, host, r.target(host, c), func(s bmc.Session) error {
		var err error
		switch {
		case s.ConsoleLog() != nil:
			text, err = s.ConsoleLog().Read(ctx)
		case s.Console() != nil:
			text, err = glimpse(ctx, s.Console())
		default:
			err = ErrNoConsoleLog
		}
		return err
	})
	return text, err
}

// watched is the half of bmc.Console that a look needs.
type watched interface {
	Watch(ctx context.Context, out io.Writer) error
}

// glimpseTime is how long a console is watched whose BMC keeps no log: long enough for a machine that boots to write something, and short enough for whoever waits, the host's next action among them.
const glimpseTime = 5 * time.Second

// glimpse is what the machine writes within that time, the first megabyte of it. What was seen before the watch broke off is worth having.
func glimpse(ctx context.Context, c watched) (string, error) {
	const most = 1 << 20
	watching, cancel := context.WithTimeout(ctx, glimpseTime)
	defer cancel()
	seen := &bounded{left: most, full: cancel}
	if err := c.Watch(watching, seen); err != nil && seen.text.Len() == 0 {
		return "", err
	}
	return seen.text.String(), nil
}

// bounded keeps the beginning of what is written to it, and says when there is no more room.
type bounded struct {
	text strings.Builder
	left int
	full func()
}

// Write implements io.Writer. It never fails.
func (b *bounded) Write(p []byte) (int, error) {
	keep := p[:min(len(p), b.left)]
	b.text.Write(keep)
	if b.left -= len(keep); b.left == 0 {
		b.full()
	}
	return len(p), nil
}

// Target is a host's BMC and how to get in, for controllers of what hangs on hosts; ErrNoHost where there is none.
func (r *Reconciler) Target(ctx context.Context, key types.NamespacedName) (bmc.Target, error) {
	host := &metal3.BareMetalHost{}
	err := r.cached.Get(ctx, key, host)
	if apierrors.IsNotFound(err) {
		return bmc.Target{}, ErrNoHost
	}
	if err != nil {
		return bmc.Target{}, fmt.Errorf("read host %s: %w", key, err)
	}
	c, err := r.credentialsOf(ctx, host, nil, r.now())
	return r.logins.Target(host, r.target(host, c)), err
}

// target says which BMC, and how to get in by the credentials that the host names.
func (r *Reconciler) target(host *metal3.BareMetalHost, c credentials) bmc.Target {
	return bmc.Target{
		Address: host.Spec.BMC.Address, Username: c.username, Password: c.password,
		CAPEM: r.config.BMCCAPEM, DisableCertificateVerification: host.Spec.BMC.DisableCertificateVerification,
		CertificatePin: host.Annotations[ingot.BMCCertificateAnnotation], SSHHostKey: host.Annotations[ingot.BMCSSHHostKeyAnnotation],
	}
}

// HostOfBoot names the host that is at a boot.
func (r *Reconciler) HostOfBoot(ctx context.Context, bootID string) (types.NamespacedName, error) {
	return r.hostOfBoot(ctx, bootID)
}
