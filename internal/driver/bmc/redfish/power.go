package redfish

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// power implements bmc.Power.
type power struct {
	s      *service
	target link
	// types are the reset types that the BMC lists; empty where it lists none, then all are tried.
	types []redfish.ResetType

	mu sync.Mutex
	// orderedAt is when this session last changed the power; zero: never.
	orderedAt time.Time
}

// refreshTime is how old the power state that a BMC shows may be after a change: many read it from the board every other second and answer from what they read.
const refreshTime = 3 * time.Second

func probePower(ctx context.Context, s *service, sys computerSystem) (*power, error) {
	reset := sys.Actions.V.Reset.V
	p := &power{s: s, target: reset.path(), types: reset.ResetTypes}
	if p.target == "" {
		return nil, faultf(step.Unsupported, "the system %s has no reset action, so its power cannot be switched", s.system).
			withFix("check the BMC account's privileges and the BMC's licence")
	}
	if len(p.types) == 0 && reset.Info != "" {
		values, err := s.parameterValues(ctx, linkOf(string(reset.Info)), "ResetType")
		if err != nil && !absent(err) {
			return nil, err
		}
		for _, v := range values {
			p.types = append(p.types, redfish.ResetType(v))
		}
	}
	return p, nil
}

// parameterValues reads what an ActionInfo allows for a parameter.
func (s *service) parameterValues(ctx context.Context, info link, name text) ([]text, error) {
	if info == "" {
		return nil, nil
	}
	var view actionInfo
	if _, err := s.c.get(ctx, info, "ActionInfo", &view); err != nil {
		return nil, err
	}
	for _, p := range view.Parameters {
		if p.Name == name {
			return p.AllowableValues, nil
		}
	}
	return nil, nil
}

// State implements bmc.Power.
func (p *power) State(ctx context.Context) (bmc.PowerState, error) {
	state, err := p.read(ctx)
	return state, p.s.wrap("read power state", err)
}

func (p *power) read(ctx context.Context) (bmc.PowerState, error) {
	return p.readBy(ctx, request{method: http.MethodGet, path: p.s.system})
}

// readAgain reads past what the BMC, or a proxy before it, has kept from the last time.
func (p *power) readAgain(ctx context.Context) (bmc.PowerState, error) {
	p.mu.Lock()
	since := time.Since(p.orderedAt)
	p.mu.Unlock()
	if wait := refreshTime - since; wait > 0 {
		if err := p.s.c.settle(ctx, wait); err != nil {
			return "", err
		}
	}
	return p.readBy(ctx, request{method: http.MethodGet, path: p.s.system, fresh: true})
}

func (p *power) readBy(ctx context.Context, r request) (bmc.PowerState, error) {
	var sys computerSystem
	a, err := p.s.c.do(ctx, r)
	if err != nil {
		return "", err
	}
	if err := decode(a.body, a.where, "ComputerSystem", &sys); err != nil {
		return "", err
	}
	return powerState(p.s.system, sys.PowerState)
}

func powerState(where link, state text) (bmc.PowerState, error) {
	switch redfish.PowerState(state) {
	case redfish.OnPowerState, redfish.PausedPowerState:
		return bmc.On, nil
	case redfish.OffPowerState:
		return bmc.Off, nil
	case redfish.PoweringOnPowerState:
		return bmc.PoweringOn, nil
	case redfish.PoweringOffPowerState:
		return bmc.PoweringOff, nil
	case "":
		return "", faultf(step.Busy, "GET %s: the BMC does not say the power state (null or missing)", where)
	}
	return "", faultf(step.Internal, "GET %s: unknown power state %q, expected On, Off, PoweringOn or PoweringOff", where, clip(string(state), 40))
}

// choices are the reset types for an action, the best first. A graceful action never falls back to a forced one.
func choices(a bmc.PowerAction) []redfish.ResetType {
	switch a {
	case bmc.PowerOn:
		return []redfish.ResetType{redfish.OnResetType, redfish.ForceOnResetType, redfish.PushPowerButtonResetType}
	case bmc.ForceOff:
		return []redfish.ResetType{redfish.ForceOffResetType}
	case bmc.GracefulOff:
		return []redfish.ResetType{redfish.GracefulShutdownResetType, redfish.PushPowerButtonResetType}
	case bmc.ForceRestart:
		return []redfish.ResetType{redfish.ForceRestartResetType, redfish.PowerCycleResetType}
	case bmc.PowerCycle:
		return []redfish.ResetType{redfish.PowerCycleResetType, redfish.ForceRestartResetType}
	case bmc.GracefulRestart:
		return []redfish.ResetType{redfish.GracefulRestartResetType}
	}
	return nil
}

func (p *power) pick(a bmc.PowerAction) (redfish.ResetType, error) {
	wanted := choices(a)
	for _, t := range wanted {
		if len(p.types) == 0 || slices.Contains(p.types, t) {
			return t, nil
		}
	}
	return "", faultf(step.Unsupported, "the BMC has no reset type for %q: it has %v, one of %v is needed", a, p.types, wanted)
}

// soft is the reset type of a graceful power-off; empty where there is none.
func (p *power) soft() redfish.ResetType {
	t, err := p.pick(bmc.GracefulOff)
	if err != nil {
		return ""
	}
	return t
}

// Do implements bmc.Power. The state is read first: what is already so is not asked for again, since a button pressed twice undoes itself, and a restart of a
// machine that is off, which BMCs refuse, turns it on. "Off" is not believed at once then: to turn on a machine that is on does nothing, and the restart would be lost.
func (p *power) Do(ctx context.Context, a bmc.PowerAction) error {
	op := "power " + string(a)
	state, err := p.read(ctx)
	if err == nil && state == bmc.Off && goal(a) == "" {
		state, err = p.readAgain(ctx)
	}
	if err != nil && bmc.KindOf(wrap(op, "", err)) != step.Busy {
		return p.s.wrap(op, err)
	}
	known := err == nil
	switch {
	case known && state == goal(a), state == bmc.PoweringOn && a == bmc.PowerOn, state == bmc.PoweringOff && a == bmc.GracefulOff:
		return nil
	case goal(a) == "":
		return p.s.wrap(op, p.restart(ctx, a, known && state == bmc.Off))
	}
	err = p.order(ctx, a)
	if refused(err) {
		// The machine may have got there by itself between the two calls.
		if state, readErr := p.read(ctx); readErr == nil && state == goal(a) {
			return nil
		}
	}
	return p.s.wrap(op, err)
}

// restart restarts a machine, or turns it on where it is off. A BMC that refuses the one since the machine is not what it said is asked for the other.
func (p *power) restart(ctx context.Context, a bmc.PowerAction, off bool) error {
	first, second, believed := a, bmc.PowerOn, bmc.Off
	if off {
		first, second, believed = bmc.PowerOn, a, bmc.On
	}
	err := p.order(ctx, first)
	if !refused(err) {
		return err
	}
	if state, readErr := p.readAgain(ctx); readErr != nil || state != believed {
		return err
	}
	return p.order(ctx, second)
}

// order asks for an action, whatever the state is.
func (p *power) order(ctx context.Context, a bmc.PowerAction) error {
	kind, err := p.pick(a)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.orderedAt = time.Now()
	p.mu.Unlock()
	_, err = p.s.c.do(ctx, request{method: http.MethodPost, path: p.target, body: map[string]any{"ResetType": kind}})
	return err
}

func refused(err error) bool {
	status := statusOf(err)
	return status >= 400 && status < 500
}

// goal is the state in which there is nothing left to do for an action; empty for restarts.
func goal(a bmc.PowerAction) bmc.PowerState {
	switch a {
	case bmc.PowerOn:
		return bmc.On
	case bmc.ForceOff, bmc.GracefulOff:
		return bmc.Off
	case bmc.ForceRestart, bmc.PowerCycle, bmc.GracefulRestart:
		return ""
	}
	return ""
}
