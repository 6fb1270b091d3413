package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"
)

// dialer gives the library the one way to the network that there is. The library passes an address that it made of host and port, wrongly for IPv6.
type dialer struct {
	ctx     context.Context // the library's interface has no context; this one lives for one login
	dial    Dial
	address string
	meter   *meter
}

// Dial implements the library's proxy.Dialer.
func (d dialer) Dial(network, _ string) (net.Conn, error) {
	c, err := d.dial(d.ctx, network, d.address)
	if err != nil {
		return nil, err
	}
	return metered{c, d.meter}, nil
}

// login opens a session with the first cipher suite that the BMC takes.
func (s *session) login(ctx context.Context) (*client.Client, *meter, error) {
	var refused []error
	for _, suite := range cipherSuites {
		m := &meter{budget: s.budget}
		c, err := s.loginWith(ctx, suite, m)
		if err == nil {
			return c, m, nil
		}
		refused = append(refused, fmt.Errorf("cipher suite %d: %w", suite, err))
		if !unknownSuite(err) {
			break
		}
	}
	return nil, nil, errors.Join(refused...)
}

// loginWith is the exchange of IPMI 2.0 §13.15, without the request for authentication capabilities, which says nothing that matters here, and without the library's
// keep-alive.
func (s *session) loginWith(ctx context.Context, suite types.CipherSuiteID, m *meter) (*client.Client, error) {
	c, err := client.NewClient(s.addr.Host, int(s.port()), s.user, s.password.Reveal())
	if err != nil {
		return nil, err
	}
	c.WithInterface(client.InterfaceLanplus).WithTimeout(s.opts.CallTimeout).WithRetry(s.opts.Retries).WithMaxPrivilegeLevel(types.PrivilegeLevelAdministrator)
	c.WithCipherSuiteID(suite)
	c.WithUDPProxy(dialer{ctx: context.WithoutCancel(ctx), dial: s.opts.Dial, address: s.addr.HostPort(), meter: m})
	steps := []func(context.Context) error{
		func(ctx context.Context) error { _, err := c.OpenSession(ctx); return err },
		func(ctx context.Context) error { _, err := c.RAKPMessage1(ctx); return err },
		func(ctx context.Context) error { _, err := c.RAKPMessage3(ctx); return err },
		func(ctx context.Context) error {
			_, err := c.SetSessionPrivilegeLevel(ctx, types.PrivilegeLevelAdministrator)
			return err
		},
	}
	for i, step := range steps {
		err := m.pay(ctx)
		if err == nil {
			err = step(ctx)
		}
		if err != nil {
			s.hangUp(ctx, c, i == len(steps)-1)
			return nil, err
		}
	}
	return c, nil
}

// hangUp ends a connection. The library's Close sends a request first, which a BMC without a session never answers: it is then given a context that has ended.
func (s *session) hangUp(ctx context.Context, c *client.Client, loggedIn bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.CallTimeout)
	defer cancel()
	if !loggedIn {
		cancel()
	}
	_ = c.Close(ctx) // a BMC that does not take it ends the session by itself
}

// unknownSuite says whether the BMC refused the cipher suite rather than the user (IPMI 2.0 table 13-15).
func unknownSuite(err error) bool {
	e, ok := errors.AsType[*types.RmcpStatusError](err)
	if !ok {
		return false
	}
	switch e.StatusCode() {
	case types.RmcpStatusCodeInvalidAuthAlg, types.RmcpStatusCodeInvalidIntegrityAlg, types.RmcpStatusCodeNoMatchingAuthPayload,
		types.RmcpStatusCodeNoMatchingIntegrityPayload, types.RmcpStatusCodeInvalidConfidentAlg, types.RmcpStatusCodeNoCipherSuiteMatch, types.RmcpStatusCodeIllegalParameter:
		return true
	default:
		return false
	}
}
