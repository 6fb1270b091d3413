package firmware

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/identify"
)

// The admin commands (NVMe Base 2.0 §5) and their parameters.
const (
	NVMeGetLog   = 0x02
	NVMeIdentify = 0x06
	NVMeFormat   = 0x80
	NVMeSanitize = 0x84

	cnsNamespace, cnsController, cnsActive, cnsAllocated = 0x00, 0x01, 0x02, 0x10

	sanitizeLog = 0x81
	// allNamespaces asks for what is the controller's.
	allNamespaces = 0xffffffff
	// exitFailure and unrestrictedExit: a Sanitize that failed may be left, so that the next method gets its chance.
	exitFailure      = 1
	unrestrictedExit = 1 << 3

	askTimeout    = 30 * time.Second
	formatTimeout = 6 * time.Hour
	pollEvery     = time.Second
)

// NVMeDisk is a namespace. Poll is how often a Sanitize is asked for its progress; 0: every second.
type NVMeDisk struct {
	Name    string
	Carrier NVMe
	Poll    time.Duration
}

// Ability implements disk.Eraser.
func (n NVMeDisk) Ability(context.Context) (disk.Ability, error) {
	_, ability, err := n.look()
	return ability, err
}

func (n NVMeDisk) look() (identify.Controller, disk.Ability, error) {
	b, err := n.ask("identify the controller of", NVMeIdentify, 0, cnsController, identify.NVMeBytes)
	if err != nil {
		return identify.Controller{}, disk.Ability{}, err
	}
	c, err := identify.ParseController(b)
	if err != nil {
		return c, disk.Ability{}, fmt.Errorf("%s: %w", n.Name, err)
	}
	var s identify.Sanitize
	if c.BlockErase || c.CryptoErase {
		if s, err = n.sanitizeStatus(); err != nil {
			return c, disk.Ability{}, err
		}
	}
	return c, identify.NVMeAbility(c, s, n.siblings(c)), nil
}

// siblings counts the namespaces that the disk has; 0 where it does not say.
func (n NVMeDisk) siblings(c identify.Controller) int {
	cns := uint32(cnsActive)
	if c.ManagesNamespaces {
		cns = cnsAllocated // those too that are attached to no controller, or to another one
	}
	b, err := n.ask("list the namespaces of", NVMeIdentify, 0, cns, identify.NVMeBytes)
	if err != nil {
		return 0
	}
	list, err := identify.ParseNamespaceList(b)
	if err != nil {
		return 0
	}
	return len(list)
}

func (n NVMeDisk) sanitizeStatus() (identify.Sanitize, error) {
	const dwords = identify.SanitizeLogBytes/4 - 1
	b, err := n.ask("ask for the sanitize status of", NVMeGetLog, allNamespaces, sanitizeLog|dwords<<16, identify.SanitizeLogBytes)
	if err != nil {
		return identify.Sanitize{}, err
	}
	return identify.ParseSanitize(b)
}

func (n NVMeDisk) ask(what string, opcode uint8, namespace, dword10 uint32, size int) ([]byte, error) {
	b := disk.Buffer(size)
	status, err := n.Carrier.Admin(NVMeCommand{Opcode: opcode, NamespaceID: namespace, Dword10: dword10, Data: b, Timeout: askTimeout})
	return b, n.failed(what, status, err)
}

// failed makes an error of a completion. The status code type and code are in bits 10:8 and 7:0.
func (n NVMeDisk) failed(what string, status uint16, err error) error {
	switch {
	case err != nil:
		return &disk.Error{Op: what, Disk: n.Name, Kind: disk.ErrIO, Err: err}
	case status&0x7ff == 1:
		return &disk.Error{Op: what, Disk: n.Name, Kind: disk.ErrUnsupported, Err: fmt.Errorf("NVMe status %#x: invalid opcode", status)}
	case status&0x7ff != 0:
		return &disk.Error{Op: what, Disk: n.Name, Kind: disk.ErrRefused, Err: fmt.Errorf("NVMe status %#x", status)}
	}
	return nil
}

// EraseAll implements disk.Eraser.
func (n NVMeDisk) EraseAll(ctx context.Context, how disk.Means, progress func(float64)) (string, error) {
	_, ability, err := n.look()
	if err != nil {
		return "", err
	}
	if how == disk.NVMeSanitize && ability.Running == disk.NVMeSanitize {
		return n.watch(ctx, progress, "joined a Sanitize that was under way; ")
	}
	if !slices.Contains(ability.Means, how) {
		return "", &disk.Error{Op: string(how), Disk: n.Name, Kind: disk.ErrUnsupported, Err: fmt.Errorf("%s", ability.Why)}
	}
	if how == disk.NVMeFormat {
		return n.format()
	}
	status, err := n.Carrier.Admin(NVMeCommand{Opcode: NVMeSanitize, Dword10: identify.BlockErase | unrestrictedExit, Timeout: askTimeout})
	if err := n.failed("sanitize", status, err); err != nil {
		return "", err
	}
	return n.watch(ctx, progress, "")
}

// watch waits for a Sanitize. It goes on when nobody watches.
func (n NVMeDisk) watch(ctx context.Context, progress func(float64), before string) (string, error) {
	every := n.Poll
	if every == 0 {
		every = pollEvery
	}
	for {
		s, err := n.sanitizeStatus()
		if err != nil {
			return "", err
		}
		progress(s.Share)
		switch s.State {
		case identify.SanitizeDone, identify.SanitizeDoneDeallocated:
			return fmt.Sprintf("%sSanitize Status: completed, state %d, action %d", before, s.State, s.Action), nil
		case identify.SanitizeRunning:
		case identify.SanitizeNever, identify.SanitizeFailed:
			failure := &disk.Error{Op: "sanitize", Disk: n.Name, Kind: disk.ErrIO, Err: fmt.Errorf("the disk says state %d", s.State)}
			if status, err := n.Carrier.Admin(NVMeCommand{Opcode: NVMeSanitize, Dword10: exitFailure, Timeout: askTimeout}); err != nil || status != 0 {
				failure.Err = fmt.Errorf("%w; it cannot be brought out of it either: NVMe status %#x, %w", failure.Err, status, orNone(err))
			}
			return "", failure
		}
		if err := pause(ctx, every); err != nil {
			return "", fmt.Errorf("sanitize %s: it goes on, and nobody waits for it any more: %w", n.Name, err)
		}
	}
}

func (n NVMeDisk) format() (string, error) {
	id, err := n.Carrier.NamespaceID()
	if err != nil {
		return "", &disk.Error{Op: "ask for the namespace of", Disk: n.Name, Kind: disk.ErrIO, Err: err}
	}
	b, err := n.ask("identify the namespace", NVMeIdentify, id, cnsNamespace, identify.NVMeBytes)
	if err != nil {
		return "", err
	}
	namespace, err := identify.ParseNamespace(b)
	if err != nil {
		return "", fmt.Errorf("%s: %w", n.Name, err)
	}
	dword := namespace.FormatDword()
	status, err := n.Carrier.Admin(NVMeCommand{Opcode: NVMeFormat, NamespaceID: id, Dword10: dword, Timeout: formatTimeout})
	if err := n.failed("format", status, err); err != nil {
		return "", err
	}
	return fmt.Sprintf("Format NVM of namespace %d with user data erase (dword 10 %#x): status 0", id, dword), nil
}

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}
