package ipmisim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/secret"
)

// Config is one BMC.
type Config struct {
	Machine bmcsim.Machine
	// Attach, if not nil, is called once with the BMC's boot flags, before it serves.
	Attach func(bmcsim.Firmware)
	// Listen is "127.0.0.1:0" where empty.
	Listen   string
	Username string
	Password secret.String
	// CipherSuites are those that the BMC takes; empty: 3 and 17.
	CipherSuites []uint8
	// Log may be nil.
	Log *slog.Logger
}

// BMC is one simulated BMC.
type BMC struct {
	server  *server.Server
	conn    net.PacketConn
	board   *board
	stop    context.CancelFunc
	serving sync.WaitGroup
}

// accountID is the slot of the one user: 1 is the anonymous one (IPMI 2.0 §6.9).
const accountID = 2

// users is how many a BMC has room for, the anonymous one included: as many as Supermicro's.
const users = 10

// Start makes a BMC and lets it answer until Close.
func Start(ctx context.Context, c Config) (*BMC, error) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	chassis, watched := newChassis(c.Machine), &board{}
	if c.Attach != nil {
		c.Attach(chassis)
	}
	state, err := newState(c, chassis)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for IPMI on %s: %w", c.Listen, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &BMC{server: server.NewServer(state, conn, server.WithV15Disabled(), server.WithHandlerRegistry(watched.registry())), conn: conn, board: watched, stop: stop}
	b.serving.Go(func() {
		if err := b.server.Serve(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error("simulated BMC stopped", "bmc", conn.LocalAddr().String(), "err", err)
		}
	})
	return b, nil
}

func newState(c Config, board *chassis) (*bmc.BMC, error) {
	info := bmc.DeviceInfo{DeviceID: 32, DeviceRevision: 1, FirmwareMajor: 1, FirmwareMinor: 0, IPMIVersion: 0x02, ManufacturerID: 10876, ProductID: 1}
	var options []bmc.Option
	if len(c.CipherSuites) > 0 {
		suites := make([]types.CipherSuiteID, 0, len(c.CipherSuites))
		for _, id := range c.CipherSuites {
			suites = append(suites, types.CipherSuiteID(id))
		}
		options = append(options, bmc.WithCipherSuites(suites))
	}
	state := bmc.New(info, [16]byte{1}, hardware{board, &serialPort{machine: c.Machine}}, options...)
	state.Users = bmc.NewUserStore(bmc.WithMaxUsers(users))
	// A packet of the serial console is sent seven times, 2.5 s apart (§26.3, parameter 5): a watcher on a busy machine loses nothing.
	if code := state.SOL.Config().SetParam(5, []byte{7, 250}); code != types.CodeOK {
		return nil, fmt.Errorf("set the serial console's retries: completion code %#x", uint8(code))
	}
	if _, err := state.Users.Add(accountID, c.Username); err != nil {
		return nil, fmt.Errorf("make the simulated BMC's user %q: %w", c.Username, err)
	}
	err := state.Users.Upsert(accountID, func(u *bmc.User) error {
		u.SetPassword([]byte(c.Password.Reveal()))
		u.Enabled = true
		u.ChannelAccess[1] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevelAdministrator, Enabled: true}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("set the password of the simulated BMC's user %q: %w", c.Username, err)
	}
	return state, nil
}

// HostPort is where the BMC listens.
func (b *BMC) HostPort() string { return b.conn.LocalAddr().String() }

// Address is the BMC's address as a BareMetalHost has it.
func (b *BMC) Address() string { return "ipmi://" + b.HostPort() }

// Close ends the BMC; the machine stays as it is.
func (b *BMC) Close() error {
	b.stop()
	err := b.server.Close()
	b.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// hardware implements the library's HAL: a chassis, and the records of its sensors.
type hardware struct {
	board   *chassis
	console *serialPort
}

func (h hardware) Chassis() hal.ChassisHAL { return h.board }
func (hardware) Sensors() hal.SensorHAL    { return nil }
func (hardware) Storage() hal.StorageHAL   { return records{} }
func (hardware) Network() hal.NetworkHAL   { return nil }
func (hardware) GPIO() hal.GPIOHAL         { return nil }
func (hardware) I2C() hal.I2CHAL           { return nil }
func (h hardware) Console() hal.ConsoleHAL { return h.console }
func (hardware) Close() error              { return nil }
