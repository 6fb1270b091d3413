package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
)

// renewCheck is how often the certificates' ages are looked at.
const renewCheck = 10 * time.Minute

// identities gives each role its files and keeps them fresh. With the embedded API server one CA signs everything. With a foreign cluster the cluster signs who the roles are
// towards it, and a CA of our own signs what they show to each other.
type identities struct {
	dir       string
	partition string
	ca        *pki.CA
	cluster   kubeconfig.Cluster
	// foreign is an administrator's access to a foreign cluster, nil with the embedded one.
	foreign *rest.Config
	log     *slog.Logger
	// roles by name, with the hosts that each one serves at.
	roles map[string][]string
}

// files of one role.
func (i *identities) files(role string) (tls pki.Files, kubeconfig string) {
	dir := filepath.Join(i.dir, role)
	return pki.FilesIn(dir, "tls"), filepath.Join(dir, "kubeconfig")
}

// issueAll issues what is missing or due and says when to look again at the latest.
func (i *identities) issueAll(ctx context.Context, now time.Time) error {
	var problems []error
	for role := range i.roles {
		if err := i.issue(ctx, role, now); err != nil {
			problems = append(problems, fmt.Errorf("identity of role %s: %w", role, err))
		}
	}
	return errors.Join(problems...)
}

func (i *identities) issue(ctx context.Context, role string, now time.Time) error {
	tls, file := i.files(role)
	partition := i.partition
	if ofAllPartitions(role) {
		partition = "" // it serves all of them
	}
	profile := pki.RoleProfile(role, partition, i.roles[role]...)
	if err := i.ca.Issue(tls, profile, now); err != nil {
		return err
	}
	client := tls
	if i.foreign != nil && role != relayName { // a relay talks to the mesh role alone
		id, err := enroll.AsAdministrator(ctx, i.foreign, profile, "started by an administrator with ingot up")
		if err != nil {
			return err
		}
		client = pki.FilesIn(filepath.Join(i.dir, role), "client")
		if err := client.Write(id.CertPEM, id.KeyPEM, i.ca.CertPEM()); err != nil {
			return err
		}
	}
	return kubeconfig.WriteRole(file, i.cluster, client)
}

// due says whether any certificate is past half its life, or cannot be read.
func (i *identities) due(now time.Time) bool {
	for role := range i.roles {
		tls, _ := i.files(role)
		text, err := os.ReadFile(tls.Cert)
		if err != nil {
			return true
		}
		at, err := pki.DueAt(text)
		if err != nil || !now.Before(at) {
			return true
		}
	}
	return false
}

// keep renews until ctx ends. Roles take the new files up by themselves.
func (i *identities) keep(ctx context.Context) {
	tick := time.NewTicker(renewCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if !i.due(now) {
			continue
		}
		if err := i.issueAll(ctx, now); err != nil {
			i.log.Error("identities could not be renewed; they are tried again", "err", err)
			continue
		}
		i.log.Info("identities renewed")
	}
}

// hostsOf are the hosts in addresses and URLs, without unspecified ones, for a serving certificate.
func hostsOf(where ...string) []string {
	hosts := []string{"127.0.0.1", "localhost"}
	for _, w := range where {
		host, _, err := net.SplitHostPort(w)
		if err != nil {
			u, err := url.Parse(w)
			if err != nil {
				continue
			}
			host = u.Hostname()
		}
		addr, err := netip.ParseAddr(host)
		if host == "" || (err == nil && addr.IsUnspecified()) {
			continue
		}
		hosts = append(hosts, host)
	}
	return hosts
}
