package redfish

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// rootPath is where every Redfish service begins (DSP0266 §6.5).
const rootPath link = "/redfish/v1/"

// service is one login at a BMC, for one system. It is safe for concurrent use: what a probe found does not change.
type service struct {
	c        *client
	identity bmc.Identity
	effect   Effect

	system, manager link
	power           *power
	boot            *bootOverride
	media           *media
	inventory       *inventory
	console         *console
	serial          *serialOverSSH
	bios            *bios
	events          *events
	health          *vitals
	components      *components
	storage         *storage
	accounts        *accounts
}

// probe logs in and finds out what the BMC can do. It reads; it changes nothing.
func probe(ctx context.Context, c *client, quirks []Quirk) (*service, error) {
	var root serviceRoot
	a, err := c.do(ctx, request{method: http.MethodGet, path: rootPath, anonymous: true})
	if err != nil {
		return nil, notRedfish(err)
	}
	if err := decode(a.body, a.where, "ServiceRoot", &root); err != nil {
		return nil, notRedfish(err)
	}
	if err := c.connect(ctx, sessionsOf(root)); err != nil {
		return nil, err
	}
	s := &service{c: c}
	var sys computerSystem
	if err := s.findSystem(ctx, root, &sys); err != nil {
		return nil, err
	}
	var mgr manager
	if err := s.findManager(ctx, root, sys, &mgr); err != nil {
		return nil, err
	}
	s.identify(quirks, root, sys, mgr)
	return s, s.probeParts(ctx, sys, mgr, root)
}

func notRedfish(err error) error {
	if f, ok := errors.AsType[*fault](err); ok && f.fix == "" && (f.status == http.StatusNotFound || f.kind == step.Internal) {
		return &fault{kind: f.kind, err: f.err, fix: "check that spec.bmc.address names a Redfish service", status: f.status, messages: f.messages}
	}
	return err
}

func sessionsOf(root serviceRoot) link {
	if root.Links.V.Sessions != "" {
		return root.Links.V.Sessions
	}
	if root.SessionService != "" {
		return link(strings.TrimRight(string(root.SessionService), "/") + "/Sessions")
	}
	return ""
}

// findSystem reads the system that the address names, or the only one.
func (s *service) findSystem(ctx context.Context, root serviceRoot, into *computerSystem) error {
	path := link(s.c.addr.SystemPath)
	if path == "" {
		systems, err := s.c.members(ctx, root.Systems, "ComputerSystemCollection")
		if err != nil {
			return err
		}
		switch len(systems) {
		case 0:
			return faultf(step.Invalid, "GET %s: the BMC has no systems", root.Systems).withFix("check that the address is a server's BMC; it may still be starting")
		case 1:
			path = systems[0].path
		default:
			var names []string
			for _, m := range systems {
				names = append(names, string(m.path))
			}
			return faultf(step.Invalid, "GET %s: the BMC has %d systems and the address names none of them", root.Systems, len(systems)).
				withFix("add one of these paths to spec.bmc.address: " + clip(strings.Join(names, ", "), maxSaid))
		}
	}
	_, err := s.c.get(ctx, path, "ComputerSystem", into)
	if statusOf(err) == http.StatusNotFound {
		return faultf(step.Invalid, "GET %s: the BMC has no such system", path).withFix("correct the path in spec.bmc.address, or leave it out if the BMC has one system")
	}
	s.system = path
	return err
}

// findManager reads the manager of the system. A BMC without one can still switch power.
func (s *service) findManager(ctx context.Context, root serviceRoot, sys computerSystem, into *manager) error {
	if by := sys.Links.V.ManagedBy; len(by) > 0 {
		s.manager = by[0]
	} else if root.Managers != "" {
		managers, err := s.c.members(ctx, root.Managers, "ManagerCollection")
		if err != nil && !absent(err) {
			return err
		}
		if len(managers) > 0 {
			s.manager = managers[0].path
		}
	}
	if s.manager == "" {
		return nil
	}
	_, err := s.c.get(ctx, s.manager, "Manager", into)
	if absent(err) {
		s.manager = ""
		return nil
	}
	return err
}

// absent: the BMC lacks this part, which is no error while probing.
func absent(err error) bool {
	f, ok := errors.AsType[*fault](err)
	return ok && f.kind == step.Unsupported
}

func (s *service) identify(quirks []Quirk, root serviceRoot, sys computerSystem, mgr manager) {
	vendor := string(root.Vendor)
	if vendor == "" {
		vendor = string(sys.Manufacturer)
	}
	s.effect, s.identity.Quirks = joined(quirks, string(root.Vendor), string(sys.Manufacturer), string(sys.Model), string(mgr.Model), string(mgr.FirmwareVersion))
	s.identity.Driver = "redfish"
	s.identity.Vendor, s.identity.Model = clip(vendor, 100), clip(string(sys.Model), 100)
	s.identity.FirmwareVersion, s.identity.ProtocolVersion = clip(string(mgr.FirmwareVersion), 100), clip(string(root.RedfishVersion), 100)
	s.identity.ServiceUUID = strings.ToLower(clip(string(root.UUID), 100))
	s.identity.SystemID, s.identity.SystemUUID = clip(string(sys.Own), 100), strings.ToLower(clip(string(sys.UUID), 100))
}

func (s *service) probeParts(ctx context.Context, sys computerSystem, mgr manager, root serviceRoot) error {
	var err error
	if s.power, err = probePower(ctx, s, sys); err != nil {
		return err
	}
	if s.boot, err = probeBoot(ctx, s, sys); err != nil {
		return err
	}
	if s.media, err = probeMedia(ctx, s, sys, mgr); err != nil {
		return err
	}
	if s.console, err = probeConsole(ctx, s, sys); err != nil {
		return err
	}
	s.serial = probeSerial(s, sys, mgr)
	s.inventory = &inventory{s: s}
	if sys.Bios != "" {
		s.bios = &bios{s: s, at: sys.Bios, registries: root.Registries}
	}
	if root.UpdateService != "" {
		s.components = &components{s: s, at: root.UpdateService, tasks: root.Tasks}
	}
	if sys.Storage != "" {
		s.storage = &storage{s: s, at: sys.Storage}
	}
	s.health = &vitals{s: s, chassis: sys.Links.V.Chassis, logs: []link{sys.LogServices, mgr.LogServices}}
	if root.EventService != "" {
		s.events = &events{s: s, at: root.EventService}
	}
	if root.AccountService != "" {
		s.accounts = &accounts{s: s, at: root.AccountService}
	}
	can := []bmc.Capability{bmc.CanPower, bmc.CanInventory, bmc.CanHealth}
	add := func(has bool, c bmc.Capability) {
		if has {
			can = append(can, c)
		}
	}
	add(s.power.soft() != "", bmc.CanSoftPowerOff)
	add(s.boot != nil && s.boot.once, bmc.CanBootOnce)
	add(s.boot != nil && len(s.boot.modes) > 0, bmc.CanBootMode)
	add(s.boot != nil && s.boot.secure != "", bmc.CanSecureBoot)
	add(s.media != nil, bmc.CanVirtualMedia)
	add(s.boot != nil && s.boot.canHTTP(), bmc.CanUEFIHTTP)
	add(root.Tasks != "", bmc.CanTasks)
	add(s.c.hasSession(), bmc.CanSessions)
	add(s.console != nil, bmc.CanConsoleLog)
	add(s.serial != nil, bmc.CanConsole)
	add(s.bios != nil, bmc.CanBIOS)
	add(s.events != nil, bmc.CanEvents)
	add(s.components != nil, bmc.CanComponents)
	add(s.storage != nil, bmc.CanStorage)
	add(s.accounts != nil, bmc.CanAccounts)
	slices.Sort(can)
	s.identity.Capabilities = can
	return nil
}

func (s *service) wrap(op string, err error) error { return s.c.wrap(op, err) }

// Identity implements bmc.Session.
func (s *service) Identity() bmc.Identity {
	i := s.identity
	i.Capabilities, i.Quirks = slices.Clone(i.Capabilities), slices.Clone(i.Quirks)
	return i
}

// Power implements bmc.Session.
func (s *service) Power() bmc.Power { return s.power }

// Boot implements bmc.Session.
func (s *service) Boot() bmc.Boot {
	if s.boot == nil {
		return nil
	}
	return s.boot
}

// Media implements bmc.Session.
func (s *service) Media() bmc.Media {
	if s.media == nil {
		return nil
	}
	return s.media
}

// Inventory implements bmc.Session.
func (s *service) Inventory() bmc.Inventory { return s.inventory }

// ConsoleLog implements bmc.Session.
func (s *service) ConsoleLog() bmc.ConsoleLog {
	if s.console == nil {
		return nil
	}
	return s.console
}

// BIOS implements bmc.Session.
func (s *service) BIOS() bmc.BIOS {
	if s.bios == nil {
		return nil
	}
	return s.bios
}

// Components implements bmc.Session.
func (s *service) Components() bmc.Components {
	if s.components == nil {
		return nil
	}
	return s.components
}

// Storage implements bmc.Session.
func (s *service) Storage() bmc.Storage {
	if s.storage == nil {
		return nil
	}
	return s.storage
}

// Console implements bmc.Session.
func (s *service) Console() bmc.Console {
	if s.serial == nil {
		return nil
	}
	return s.serial
}

// Accounts implements bmc.Session.
func (s *service) Accounts() bmc.Accounts {
	if s.accounts == nil {
		return nil
	}
	return s.accounts
}

// Events implements bmc.Session.
func (s *service) Events() bmc.Events {
	if s.events == nil {
		return nil
	}
	return s.events
}

// Health implements bmc.Session.
func (s *service) Health() bmc.Health { return s.health }

// Close implements bmc.Session.
func (s *service) Close(ctx context.Context) error { return s.wrap("log out", s.c.logout(ctx)) }
