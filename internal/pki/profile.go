package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Lifetimes of leaves. Each is renewed when half of it has passed.
const (
	// RoleLifetime: a role's certificate is renewed by its supervisor.
	RoleLifetime = 24 * time.Hour
	// ServingLifetime: the API server renews its own.
	ServingLifetime = 7 * 24 * time.Hour
	// OperatorLifetime: a person's kubeconfig is rewritten by the API server; a copy of it ends with this.
	OperatorLifetime = 7 * 24 * time.Hour
	// CALifetime: after it everything that trusts the CA must be told of a new one.
	CALifetime = 10 * 365 * 24 * time.Hour
)

// OperatorGroup is the group whose members administer the whole control plane.
const OperatorGroup = "ingot:operator"

// Profile is what a certificate says and what it is good for.
type Profile struct {
	CommonName    string
	Organizations []string
	DNSNames      []string
	Addresses     []netip.Addr
	// Server and Client are the extended key usages; at least one must be set.
	Server bool
	Client bool
	// Lifetime counts from the moment of signing.
	Lifetime time.Duration
}

// RoleName is the name of a role of a partition, as certificates, RBAC and audit log show it. A role that serves all partitions has "".
func RoleName(role, partition string) string {
	if partition == "" {
		return "ingot:" + role
	}
	return "ingot:" + role + ":" + partition
}

// RoleGroup is the group that all processes of a role are in.
func RoleGroup(role string) string { return "ingot:" + role }

// RoleProfile is the identity of a role's process: client towards the API server and other roles, server at the given hosts, which are names or addresses.
func RoleProfile(role, partition string, hosts ...string) Profile {
	p := ServerProfile(RoleName(role, partition), hosts...)
	p.Organizations = []string{RoleGroup(role)}
	p.Client = true
	p.Lifetime = RoleLifetime
	return p
}

// OperatorProfile is a person who administers the control plane.
func OperatorProfile(name string) Profile {
	return Profile{CommonName: "ingot:operator:" + name, Organizations: []string{OperatorGroup}, Client: true, Lifetime: OperatorLifetime}
}

// ServerProfile is a server at the given hosts, which are names or addresses.
func ServerProfile(name string, hosts ...string) Profile {
	p := Profile{CommonName: name, Server: true, Lifetime: ServingLifetime}
	for _, host := range hosts {
		if addr, err := netip.ParseAddr(host); err == nil {
			p.Addresses = append(p.Addresses, addr.WithZone("").Unmap())
			continue
		}
		p.DNSNames = append(p.DNSNames, strings.ToLower(host))
	}
	return p
}

// ClientProfile is a client and nothing else.
func ClientProfile(name string, lifetime time.Duration, groups ...string) Profile {
	return Profile{CommonName: name, Organizations: groups, Client: true, Lifetime: lifetime}
}

func (p Profile) template(now time.Time) (*x509.Certificate, error) {
	switch {
	case p.CommonName == "":
		return nil, errors.New("certificate profile without a common name")
	case !p.Server && !p.Client:
		return nil, fmt.Errorf("certificate profile %q is neither server nor client", p.CommonName)
	case p.Lifetime <= 0:
		return nil, fmt.Errorf("certificate profile %q lives for %s: a positive lifetime is needed", p.CommonName, p.Lifetime)
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: p.CommonName, Organization: p.Organizations},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(p.Lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		DNSNames:              p.DNSNames,
	}
	for _, addr := range p.Addresses {
		t.IPAddresses = append(t.IPAddresses, net.IP(addr.AsSlice()))
	}
	if p.Server {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if p.Client {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	return t, nil
}
