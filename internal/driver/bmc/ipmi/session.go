package ipmi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"
	"golang.org/x/time/rate"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
)

// session implements bmc.Session. What is below it is a login that comes and goes.
type session struct {
	opts     Options
	addr     bmc.Address
	user     string
	password secret.String
	budget   *rate.Limiter
	identity bmc.Identity

	// lock is a mutex that a context can leave; it guards all below, and is held over each exchange.
	lock   chan struct{}
	client *client.Client
	meter  *meter
	used   time.Time
	closed bool

	// sdrMu guards the sensor records, which are read once.
	sdrMu   sync.Mutex
	sdr     []*types.SDR
	sdrRead bool
}

var errClosed = errors.New("the session is closed")

// Identity implements bmc.Session.
func (s *session) Identity() bmc.Identity { return s.identity }

// Power implements bmc.Session.
func (s *session) Power() bmc.Power { return power{s} }

// Boot implements bmc.Session.
func (s *session) Boot() bmc.Boot { return bootFlags{s} }

// Media implements bmc.Session: IPMI has none.
func (s *session) Media() bmc.Media { return nil }

// Inventory implements bmc.Session: IPMI has none that is worth the name.
func (s *session) Inventory() bmc.Inventory { return nil }

// ConsoleLog implements bmc.Session: a BMC keeps no log of its serial console.
func (s *session) ConsoleLog() bmc.ConsoleLog { return nil }

// BIOS implements bmc.Session: IPMI has no words for it.
func (s *session) BIOS() bmc.BIOS { return nil }

// Components implements bmc.Session: IPMI 2.0 has no update by URL (HPM.1 has its own protocol).
func (s *session) Components() bmc.Components { return nil }

// Storage implements bmc.Session.
func (s *session) Storage() bmc.Storage { return nil }

// Console implements bmc.Session.
func (s *session) Console() bmc.Console { return console{s} }

// Accounts implements bmc.Session.
func (s *session) Accounts() bmc.Accounts { return accounts{s} }

// Events implements bmc.Session: IPMI's alerts (PET) are SNMP traps to receivers that an administrator sets up.
func (s *session) Events() bmc.Events { return nil }

// Health implements bmc.Session.
func (s *session) Health() bmc.Health { return healthPart{s} }

// Close implements bmc.Session.
func (s *session) Close(ctx context.Context) error {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	s.closed = true
	if s.client != nil {
		s.hangUp(ctx, s.client, s.fresh())
		s.client = nil
	}
	return nil
}

// port is the BMC's, 623 where the address names none.
func (s *session) port() uint16 {
	if s.addr.Port == 0 {
		return 623
	}
	return s.addr.Port
}

// fresh says whether the BMC still knows the login.
func (s *session) fresh() bool { return time.Since(s.used) < s.opts.IdleTimeout }

// call does one exchange within the call budget, over a login that is opened anew where the last one is too old or has failed.
func (s *session) call(ctx context.Context, do func(context.Context, *client.Client) error) error {
	select {
	case s.lock <- struct{}{}:
		defer func() { <-s.lock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.closed {
		return errClosed
	}
	if s.client != nil && !s.fresh() {
		s.hangUp(ctx, s.client, false)
		s.client = nil
	}
	if s.client == nil {
		c, m, err := s.login(ctx)
		if err != nil {
			return err
		}
		s.client, s.meter = c, m
	}
	if err := s.meter.pay(ctx); err != nil {
		return err
	}
	err := do(ctx, s.client)
	if err != nil && !answered(err) {
		// The BMC may have forgotten the login. What was asked for is not asked again here: only its reader knows whether that is safe.
		s.hangUp(ctx, s.client, false)
		s.client = nil
		return err
	}
	s.used = time.Now()
	return err
}

// probe logs in and reads who the BMC is. The system's GUID is left alone: BMCs send it in at least three byte orders, and a UUID that may be another machine's is worse than none.
func (s *session) probe(ctx context.Context) error {
	return s.call(ctx, func(ctx context.Context, c *client.Client) error {
		device, err := c.GetDeviceID(ctx)
		if err != nil {
			return fmt.Errorf("get device ID: %w", err)
		}
		s.identity = bmc.Identity{
			Driver: "ipmi", Vendor: vendor(device.ManufacturerID), Model: fmt.Sprintf("product %d", device.ProductID),
			FirmwareVersion: device.FirmwareVersionStr(), ProtocolVersion: fmt.Sprintf("%d.%d", device.MajorIPMIVersion, device.MinorIPMIVersion), SystemID: "chassis",
			Capabilities: []bmc.Capability{bmc.CanAccounts, bmc.CanBootMode, bmc.CanBootOnce, bmc.CanConsole, bmc.CanHealth, bmc.CanPower, bmc.CanSessions, bmc.CanSoftPowerOff},
		}
		return nil
	})
}

// vendor names the makers of servers by their IANA enterprise number; others are shown as the number.
func vendor(id uint32) string {
	names := map[uint32]string{
		2: "IBM", 11: "HPE", 343: "Intel", 674: "Dell", 10368: "Fujitsu", 10876: "Supermicro", 15000: "Quanta", 19046: "Lenovo", 2011: "Huawei", 5771: "Cisco", 47196: "HPE", 49769: "Bytedance",
	}
	if name, known := names[id]; known {
		return name
	}
	return fmt.Sprintf("IANA enterprise %d", id)
}
