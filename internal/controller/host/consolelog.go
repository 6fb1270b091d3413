package host

import (
	"context"
	"errors"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// The kinds of error of ConsoleLog.
var (
	// ErrNoHost: there is no such host here.
	ErrNoHost = errors.New("no such host")
	// ErrNoConsoleLog: the BMC keeps no log of the console.
	ErrNoConsoleLog = errors.New("the BMC keeps no console log")
)

// ConsoleLog reads the log of the serial console that the host's BMC keeps.
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
	err = r.bmcs.Use(ctx, r.target(host, c), func(s bmc.Session) error {
		if s.ConsoleLog() == nil {
			return ErrNoConsoleLog
		}
		var err error
		text, err = s.ConsoleLog().Read(ctx)
		return err
	})
	return text, err
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
	return r.target(host, c), err
}

// target says which BMC, and how to get in.
func (r *Reconciler) target(host *metal3.BareMetalHost, c credentials) bmc.Target {
	return bmc.Target{
		Address: host.Spec.BMC.Address, Username: c.username, Password: c.password,
		CAPEM: r.config.BMCCAPEM, DisableCertificateVerification: host.Spec.BMC.DisableCertificateVerification,
	}
}

// HostOfBoot names the host that is at a boot.
func (r *Reconciler) HostOfBoot(ctx context.Context, bootID string) (types.NamespacedName, error) {
	return r.hostOfBoot(ctx, bootID)
}
