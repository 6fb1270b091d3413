package console

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/sshcert"
)

// authority opens the site's SSH authority, and waits for an API server that does not answer yet.
func (p *process) authority(ctx context.Context) (*sshcert.Authority, error) {
	const pause = time.Second
	for {
		a, err := openAuthority(ctx, p.live)
		if err == nil || !transient(err) {
			return a, err
		}
		p.log.Warn("API server not ready", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// transient: the API server is not there yet, or not all of it.
func transient(err error) bool {
	var network net.Error
	return errors.As(err, &network) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsInternalError(err)
}

// openAuthority reads the key of the site's SSH authority, or makes it. Two processes that both make one end up with the same: the second create fails and reads.
func openAuthority(ctx context.Context, c client.Client) (*sshcert.Authority, error) {
	key := client.ObjectKey{Namespace: ingot.ConsoleNamespace, Name: ingot.SSHAuthoritySecret}
	s := &corev1.Secret{}
	err := c.Get(ctx, key, s)
	if apierrors.IsNotFound(err) {
		if s, err = newAuthority(key); err != nil {
			return nil, err
		}
		if err = c.Create(ctx, s); apierrors.IsAlreadyExists(err) {
			err = c.Get(ctx, key, s)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the site's SSH authority in Secret %s: %w", key, err)
	}
	signer, err := ssh.ParsePrivateKey(s.Data[ingot.SSHAuthorityKey])
	if err != nil {
		return nil, fmt.Errorf("read the site's SSH authority in Secret %s (delete the Secret to have a new one made; people and servers must then be told of it): %w", key, err)
	}
	return sshcert.NewAuthority(signer)
}

func newAuthority(key client.ObjectKey) (*corev1.Secret, error) {
	private, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "ingot SSH authority")
	if err != nil {
		return nil, fmt.Errorf("encode the site's SSH authority: %w", err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Immutable: ptr.To(true),
		Data: map[string][]byte{ingot.SSHAuthorityKey: pem.EncodeToMemory(block)},
	}, nil
}
