package redfish

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// usbCD is Supermicro's boot source for a virtual CD; DMTF's list (ComputerSystem.BootSource) does not have it.
const usbCD redfish.BootSourceOverrideTarget = "UsbCd"

// bootOverride implements bmc.Boot.
type bootOverride struct {
	s *service
	// once: an override for one boot is honoured.
	once bool
	// targets and modes are what the BMC lists; targets is empty where it lists none, then all are tried.
	targets, modes []text
	// secure is the SecureBoot resource; empty where the BMC has none.
	secure link
	// authorities is the collection of certificates for HTTPS boot; empty where the BMC has none.
	authorities link
}

func probeBoot(ctx context.Context, s *service, sys computerSystem) (*bootOverride, error) {
	b := sys.Boot.V
	if b.Enabled == "" && b.Target == "" && len(b.TargetValues) == 0 {
		return nil, nil
	}
	o := &bootOverride{s: s, targets: b.TargetValues, modes: b.ModeValues, authorities: b.Certificates}
	if b.Mode != "" && len(o.modes) == 0 {
		// A mode that is shown can be set, unless its values are listed.
		o.modes = []text{text(redfish.UEFIBootSourceOverrideMode), text(redfish.LegacyBootSourceOverrideMode)}
	}
	o.once = !s.effect.NoOnce && (len(b.EnabledValues) == 0 || slices.Contains(b.EnabledValues, text(redfish.OnceBootSourceOverrideEnabled)))
	if sys.SecureBoot == "" {
		return o, nil
	}
	var view secureBoot
	_, err := s.c.get(ctx, sys.SecureBoot, "SecureBoot", &view)
	if err == nil {
		o.secure = sys.SecureBoot
	} else if !absent(err) {
		return nil, err
	}
	return o, nil
}

// Get implements bmc.Boot.
func (o *bootOverride) Get(ctx context.Context) (bmc.BootSetting, error) {
	set, err := o.read(ctx)
	return set, o.s.wrap("read boot override", err)
}

func (o *bootOverride) read(ctx context.Context) (bmc.BootSetting, error) {
	var sys computerSystem
	if _, err := o.s.c.get(ctx, o.s.system, "ComputerSystem", &sys); err != nil {
		return bmc.BootSetting{}, err
	}
	b := sys.Boot.V
	set := bmc.BootSetting{Device: deviceOf(b), Mode: bmc.ModeUEFI}
	set.Once = set.Device != bmc.BootNone && redfish.BootSourceOverrideEnabled(b.Enabled) == redfish.OnceBootSourceOverrideEnabled
	if set.Device == bmc.BootHTTP {
		set.URI = string(b.HTTPBootURI)
	}
	if redfish.BootSourceOverrideMode(b.Mode) == redfish.LegacyBootSourceOverrideMode {
		set.Mode = bmc.ModeLegacy
		return set, nil
	}
	if o.secure == "" {
		return set, nil
	}
	var view secureBoot
	if _, err := o.s.c.get(ctx, o.secure, "SecureBoot", &view); err != nil {
		return bmc.BootSetting{}, err
	}
	if view.SecureBootEnable {
		set.Mode = bmc.ModeSecureBoot
	}
	return set, nil
}

// deviceOf is the device of an override that is in force. A source that the contract has no word for reads as none.
func deviceOf(b boot) bmc.Device {
	if e := redfish.BootSourceOverrideEnabled(b.Enabled); e == redfish.DisabledBootSourceOverrideEnabled || e == "" {
		return bmc.BootNone
	}
	switch redfish.BootSourceOverrideTarget(b.Target) {
	case redfish.PxeBootSourceOverrideTarget:
		return bmc.BootPXE
	case redfish.CdBootSourceOverrideTarget, usbCD:
		return bmc.BootCD
	case redfish.HddBootSourceOverrideTarget:
		return bmc.BootDisk
	case redfish.UefiHTTPBootSourceOverrideTarget:
		return bmc.BootHTTP
	default:
		return bmc.BootNone
	}
}

// Set implements bmc.Boot.
func (o *bootOverride) Set(ctx context.Context, set bmc.BootSetting) error {
	return o.s.wrap("set boot override "+string(set.Device), o.set(ctx, set))
}

func (o *bootOverride) set(ctx context.Context, set bmc.BootSetting) error {
	if err := o.setSecureBoot(ctx, set.Mode); err != nil {
		return err
	}
	if set.Device == bmc.BootCD && set.Once && o.s.effect.OneShotCD != "" {
		return o.oneShotCD(ctx)
	}
	if set.Mode == "" && o.s.effect.AlwaysMode {
		now, err := o.read(ctx)
		if err != nil {
			return err
		}
		set.Mode = now.Mode
	}
	change, err := o.change(set)
	if err != nil {
		return err
	}
	if set.Device == bmc.BootHTTP {
		if err := o.httpBoot(ctx, set, change); err != nil {
			return err
		}
	}
	a, err := o.s.c.patch(ctx, o.s.system, map[string]any{"Boot": change}, o.s.effect.NeedsETag)
	if err != nil {
		return err
	}
	return o.s.c.follow(ctx, a)
}

// change is the Boot object to send.
func (o *bootOverride) change(set bmc.BootSetting) (map[string]any, error) {
	change := map[string]any{}
	mode, err := o.mode(set.Mode)
	if err != nil {
		return nil, err
	}
	if mode != "" {
		change["BootSourceOverrideMode"] = mode
	}
	if set.Device == bmc.BootNone {
		change["BootSourceOverrideEnabled"] = redfish.DisabledBootSourceOverrideEnabled
		if len(o.targets) == 0 || slices.Contains(o.targets, text(redfish.NoneBootSourceOverrideTarget)) {
			change["BootSourceOverrideTarget"] = redfish.NoneBootSourceOverrideTarget
		}
		return change, nil
	}
	target, err := o.target(set.Device)
	if err != nil {
		return nil, err
	}
	change["BootSourceOverrideTarget"] = target
	change["BootSourceOverrideEnabled"] = redfish.ContinuousBootSourceOverrideEnabled
	if set.Once && o.once {
		change["BootSourceOverrideEnabled"] = redfish.OnceBootSourceOverrideEnabled
	}
	return change, nil
}

// mode is Redfish's word for the firmware mode; empty where it is not to be said.
func (o *bootOverride) mode(m bmc.Mode) (redfish.BootSourceOverrideMode, error) {
	if m == "" {
		return "", nil
	}
	want := redfish.UEFIBootSourceOverrideMode
	if m == bmc.ModeLegacy {
		want = redfish.LegacyBootSourceOverrideMode
	}
	switch {
	case slices.Contains(o.modes, text(want)):
		return want, nil
	case len(o.modes) == 0 && m != bmc.ModeLegacy:
		// A BMC that knows no modes has a UEFI machine, or one whose mode only its setup changes: nothing to say.
		return "", nil
	}
	return "", faultf(step.Unsupported, "the BMC cannot set firmware mode %s: it offers %v", want, o.modes).withFix("change spec.bootMode, or the mode in the machine's own setup")
}

// target is Redfish's word for a device.
func (o *bootOverride) target(d bmc.Device) (redfish.BootSourceOverrideTarget, error) {
	var wanted []redfish.BootSourceOverrideTarget
	switch d {
	case bmc.BootPXE:
		wanted = append(wanted, redfish.PxeBootSourceOverrideTarget)
	case bmc.BootDisk:
		wanted = append(wanted, redfish.HddBootSourceOverrideTarget)
	case bmc.BootHTTP:
		wanted = append(wanted, redfish.UefiHTTPBootSourceOverrideTarget)
	case bmc.BootCD:
		wanted = append(slices.Clone(o.s.effect.CDTargets), redfish.CdBootSourceOverrideTarget)
		if len(o.targets) > 0 {
			wanted = append(wanted, usbCD)
		}
	case bmc.BootNone:
	}
	for _, t := range wanted {
		if len(o.targets) == 0 || slices.Contains(o.targets, text(t)) {
			return t, nil
		}
	}
	return "", faultf(step.Unsupported, "the BMC cannot boot from %q: it offers %v, one of %v is needed", d, o.targets, wanted)
}

// setSecureBoot brings UEFI Secure Boot to what the mode means. It takes effect at the next reset.
func (o *bootOverride) setSecureBoot(ctx context.Context, m bmc.Mode) error {
	want := m == bmc.ModeSecureBoot
	switch {
	case m != bmc.ModeSecureBoot && m != bmc.ModeUEFI:
		return nil
	case o.secure == "" && want:
		return faultf(step.Unsupported, "the BMC cannot switch UEFI Secure Boot").withFix("set spec.bootMode to UEFI, or enable Secure Boot in the machine's own setup")
	case o.secure == "":
		return nil
	}
	var view secureBoot
	if _, err := o.s.c.get(ctx, o.secure, "SecureBoot", &view); err != nil {
		return err
	}
	if bool(view.SecureBootEnable) == want {
		return nil
	}
	_, err := o.s.c.patch(ctx, o.secure, map[string]any{"SecureBootEnable": want}, o.s.effect.NeedsETag)
	return err
}

// oneShotCD asks for one boot from the virtual CD by the manager's attributes.
func (o *bootOverride) oneShotCD(ctx context.Context) error {
	if o.s.manager == "" {
		return faultf(step.Unsupported, "the system %s names no manager to ask for a boot from the virtual CD", o.s.system)
	}
	path := link(strings.TrimRight(string(o.s.manager), "/") + o.s.effect.OneShotCD + lastPart(o.s.manager))
	body := map[string]any{"Attributes": map[string]string{"ServerBoot.1.BootOnce": "Enabled", "ServerBoot.1.FirstBootDevice": "VCD-DVD"}}
	_, err := o.s.c.do(ctx, request{method: http.MethodPatch, path: path, body: body})
	return err
}

// maxAuthorities is how many certificates a BMC may hold for HTTPS boot before it is not asked for each of them.
const maxAuthorities = 32

// httpBoot says what the firmware boots by UEFI HTTP boot (ComputerSystem.Boot.HttpBootUri), and makes it trust the server (ComputerSystem.Boot.Certificates).
func (o *bootOverride) httpBoot(ctx context.Context, set bmc.BootSetting, change map[string]any) error {
	if set.URI == "" {
		return faultf(step.Invalid, "UEFI HTTP boot without a URI to boot")
	}
	if set.Authorities != "" {
		if err := o.trust(ctx, set.Authorities); err != nil {
			return err
		}
	}
	change["HttpBootUri"] = set.URI
	return nil
}

// trust enters a certificate that HTTPS boot is checked against, once. A BMC without a place for it leaves that to the machine's own setup.
func (o *bootOverride) trust(ctx context.Context, authorities string) error {
	if o.authorities == "" {
		return nil
	}
	have, err := o.s.c.members(ctx, o.authorities, "CertificateCollection")
	if err != nil {
		return err
	}
	for _, m := range have[:min(len(have), maxAuthorities)] {
		var view struct{ CertificateString text }
		if err := o.s.c.read(ctx, m, "Certificate", &view); err != nil {
			return err
		}
		if strings.TrimSpace(string(view.CertificateString)) == strings.TrimSpace(authorities) {
			return nil
		}
	}
	a, err := o.s.c.do(ctx, request{method: http.MethodPost, path: o.authorities, body: map[string]any{"CertificateType": "PEM", "CertificateString": authorities}})
	if err != nil {
		return err
	}
	return o.s.c.follow(ctx, a)
}

// canHTTP: the BMC lists UEFI HTTP boot. One that lists nothing is not taken to have it.
func (o *bootOverride) canHTTP() bool {
	for _, t := range o.targets {
		if redfish.BootSourceOverrideTarget(t) == redfish.UefiHTTPBootSourceOverrideTarget {
			return true
		}
	}
	return false
}
