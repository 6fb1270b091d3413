package host

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/vitals"
	"github.com/ingotmetal/ingot/internal/controller/host/volumes"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// BMCs lends sessions: one per BMC at a time, within the call budget. do must not keep the session. bmc.Pool is one.
type BMCs interface {
	Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error
}

// bmcWork is one action on a host's BMC with all it needs, so that it runs beside the work queue.
type bmcWork struct {
	// name is the host's, for the log.
	name string
	host *metal3.BareMetalHost
	// site is what the partition says of accounts at BMCs.
	site *ingot.BMCAccountPolicy
	// target has the credentials that the host names.
	target bmc.Target
	// do works on the session and fills in the result.
	do func(context.Context, bmc.Session, *journey.ActionResult) error
	// media receives the inserted medium's URL when do learned it.
	media *string
}

// note remembers what is inserted.
func (w *bmcWork) note(url string) { w.media = &url }

// readMedia reads what is inserted, where there is a drive.
func (w *bmcWork) readMedia(ctx context.Context, s bmc.Session) error {
	m := s.Media()
	if m == nil {
		return nil
	}
	url, err := m.Inserted(ctx)
	if err != nil {
		return err
	}
	w.note(url)
	return nil
}

// ejectOurs empties the drive, where there is one, of anything but the owner's medium, whose URL is given: that one is in a running system's hands.
func (w *bmcWork) ejectOurs(ctx context.Context, s bmc.Session, owners string) error {
	if owners != "" {
		if err := w.readMedia(ctx, s); err != nil {
			return err
		}
		if w.media != nil && *w.media == owners {
			return nil
		}
	}
	if err := eject(ctx, s); err != nil {
		return err
	}
	w.note("")
	return nil
}

// verify takes the probe's findings and the first power reading.
func verify(ctx context.Context, s bmc.Session, now func() time.Time, out *journey.ActionResult) error {
	id := s.Identity()
	out.BMC = &ingot.BMCStatus{
		Driver: id.Driver, Vendor: id.Vendor, Model: id.Model, FirmwareVersion: id.FirmwareVersion, ProtocolVersion: id.ProtocolVersion,
		SystemID: id.SystemID, SystemUUID: id.SystemUUID, ServiceUUID: id.ServiceUUID, Quirks: id.Quirks, ProbedAt: metav1.NewTime(now().Truncate(time.Second)),
	}
	for _, c := range id.Capabilities {
		out.BMC.Capabilities = append(out.BMC.Capabilities, string(c))
	}
	return readPower(ctx, s, now, out)
}

func readPower(ctx context.Context, s bmc.Session, now func() time.Time, out *journey.ActionResult) error {
	state, err := s.Power().State(ctx)
	if err != nil {
		return err
	}
	out.Power = &journey.PowerReading{State: vitals.Power(state), ReadAt: now()}
	return nil
}

// glance reads the power right after a start, so that no further action has to. The start was accepted, whatever the BMC says now: what is unclear, or not on yet, is read again when it matters.
func glance(ctx context.Context, s bmc.Session, now func() time.Time, out *journey.ActionResult) {
	if state, err := s.Power().State(ctx); err == nil && state == bmc.On {
		out.Power = &journey.PowerReading{State: journey.PowerOn, ReadAt: now()}
	}
}

// inventory reads what the machine is made of.
func inventory(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
	if s.Inventory() == nil {
		return unsupported("read inventory", "this BMC has none", "set spec.inspectionMode to agent, or use a Redfish address")
	}
	h, err := s.Inventory().Read(ctx)
	if err != nil {
		return err
	}
	out.Inventory = inventoryOf(h)
	return nil
}

// inventoryOf puts what a BMC says of its machine into the agent's words. Drives keep their maker's data and have no name: Linux' name for them is what the BMC cannot know, and one behind
// a RAID controller has none.
func inventoryOf(h bmc.Hardware) *step.Inventory {
	out := &step.Inventory{
		System:   step.System{Manufacturer: h.Manufacturer, ProductName: h.ProductName, SerialNumber: h.SerialNumber, UUID: h.UUID},
		Firmware: step.Firmware{Version: h.BIOSVersion}, CPU: step.CPU{Architecture: h.CPUArchitecture, Model: h.CPUModel, Count: h.CPUCount}, MemoryBytes: int64(h.MemoryMebibytes) << 20,
	}
	for _, n := range h.NICs {
		if mac := macOf(n.MAC); mac != "" {
			out.NICs = append(out.NICs, step.NIC{Name: n.Name, MAC: mac, SpeedMbps: n.SpeedMbps, LinkUp: n.LinkUp})
		}
	}
	for _, d := range h.Disks {
		out.Disks = append(out.Disks, step.Disk{Model: d.Model, SerialNumber: d.SerialNumber, SizeBytes: d.SizeBytes, Rotational: d.Rotational})
	}
	return out
}

// macOf is a network card's own Ethernet address, lower case with colons; empty for what BMCs list beside: InfiniBand's 20 bytes, zeros, a group's address.
func macOf(text string) string {
	const group, length = 1, 6
	a, err := net.ParseMAC(strings.TrimSpace(text))
	if err != nil || len(a) != length || a[0]&group != 0 || a.String() == "00:00:00:00:00:00" {
		return ""
	}
	return a.String()
}

// setPower asks for a change, which is nothing where the machine is there already (bmc.Power's contract), then reads where it is.
func setPower(ctx context.Context, s bmc.Session, a journey.SetPower, now func() time.Time, note func(string), out *journey.ActionResult) error {
	if err := ownDrive(ctx, s, a.Drive, note, out); err != nil {
		return err
	}
	do := bmc.PowerOn
	switch {
	case a.Want == journey.PowerOff && a.Soft:
		do = bmc.GracefulOff
	case a.Want == journey.PowerOff:
		do = bmc.ForceOff
	}
	if err := s.Power().Do(ctx, do); err != nil {
		return err
	}
	return readPower(ctx, s, now, out)
}

// agentStart is a boot of the agent with what it needs of this site: where its medium is, and the PEM that firmware is to trust for that.
type agentStart struct {
	journey.StartAgent

	url, authorities string
}

// startAgent makes the next boot the agent's: medium, override, then power. The order matters: a machine that restarts before the medium is in boots its disk. A restart turns a
// machine on that is off (bmc.Power's contract).
func startAgent(ctx context.Context, s bmc.Session, a agentStart, note func(string)) error {
	set := bmc.BootSetting{Device: bmc.BootPXE, Mode: modeOf(a.Mode), Once: true}
	switch a.Method {
	case ingot.MethodVirtualMedia:
		set.Device = bmc.BootCD
		if err := insert(ctx, s, a.url); err != nil {
			return err
		}
		note(a.url)
	case ingot.MethodUEFIHTTP:
		set.Device, set.URI, set.Authorities = bmc.BootHTTP, a.url, a.authorities
	case ingot.MethodPXE: // as it stands
	}
	if err := override(ctx, s, set); err != nil {
		return err
	}
	return s.Power().Do(ctx, bmc.ForceRestart)
}

// bootDisk makes the next boot the disk's. The override is for one boot: later ones follow the firmware's own order, in which the installed system has entered itself.
func bootDisk(ctx context.Context, s bmc.Session, a journey.BootDisk, note func(string)) error {
	if err := setDisk(ctx, s, a.Mode, note); err != nil {
		return err
	}
	return s.Power().Do(ctx, bmc.ForceRestart)
}

// setDisk is bootDisk without the start.
func setDisk(ctx context.Context, s bmc.Session, mode metal3.BootMode, note func(string)) error {
	if err := eject(ctx, s); err != nil {
		return err
	}
	note("")
	return override(ctx, s, bmc.BootSetting{Device: bmc.BootDisk, Mode: modeOf(mode), Once: true})
}

// ownDrive brings the owner's medium into the drive, or out of it.
func ownDrive(ctx context.Context, s bmc.Session, want journey.Drive, note func(string), out *journey.ActionResult) error {
	if !want.Managed {
		return nil
	}
	out.OwnsDrive = true
	if want.URL == "" {
		if err := eject(ctx, s); err != nil {
			return err
		}
	} else if err := insert(ctx, s, want.URL); err != nil {
		return err
	}
	note(want.URL)
	out.Drive = &want.URL
	if !want.Boot {
		return nil
	}
	return override(ctx, s, bmc.BootSetting{Device: bmc.BootCD, Mode: modeOf(want.Mode)})
}

// bootISO makes this boot and all later ones the live ISO's.
func bootISO(ctx context.Context, s bmc.Session, a journey.BootISO, note func(string), out *journey.ActionResult) error {
	if err := ownDrive(ctx, s, journey.Drive{Managed: true, URL: a.URL, Boot: true, Mode: a.Mode}, note, out); err != nil {
		return err
	}
	return s.Power().Do(ctx, bmc.ForceRestart)
}

// ejectMedium ends it.
func ejectMedium(ctx context.Context, s bmc.Session, note func(string), out *journey.ActionResult) error {
	if err := ownDrive(ctx, s, journey.Drive{Managed: true}, note, out); err != nil || s.Boot() == nil {
		return err
	}
	return s.Boot().Set(ctx, bmc.BootSetting{Device: bmc.BootNone})
}

func insert(ctx context.Context, s bmc.Session, url string) error {
	m := s.Media()
	if m == nil {
		return unsupported("insert virtual medium", "this BMC has no virtual media", "use a redfish address (network boot) and bootMACAddress for this host")
	}
	now, err := m.Inserted(ctx)
	if err != nil {
		return err
	}
	if now == url {
		return nil
	}
	return m.Insert(ctx, url)
}

// eject empties the drive; a BMC without one has nothing to eject.
func eject(ctx context.Context, s bmc.Session) error {
	m := s.Media()
	if m == nil {
		return nil
	}
	return m.Eject(ctx)
}

func override(ctx context.Context, s bmc.Session, b bmc.BootSetting) error {
	if s.Boot() == nil {
		return unsupported("set boot override", "this BMC cannot override the boot device", "update the BMC's firmware")
	}
	return s.Boot().Set(ctx, b)
}

// reset restarts a machine that may not be turned off.
func reset(ctx context.Context, s bmc.Session, a journey.Restart, now func() time.Time, note func(string), out *journey.ActionResult) error {
	if err := ownDrive(ctx, s, a.Drive, note, out); err != nil {
		return err
	}
	do := bmc.ForceRestart
	if a.Soft {
		do = bmc.GracefulRestart
	}
	if err := s.Power().Do(ctx, do); err != nil {
		return err
	}
	return readPower(ctx, s, now, out)
}

func modeOf(m metal3.BootMode) bmc.Mode {
	switch m {
	case metal3.Legacy:
		return bmc.ModeLegacy
	case metal3.UEFISecureBoot:
		return bmc.ModeSecureBoot
	default:
		return bmc.ModeUEFI
	}
}

// firmwareWork is the arms of the actions on the firmware: what it boots next, its settings here, its versions in package components.
func (r *Reconciler) firmwareWork(w *bmcWork, host *metal3.BareMetalHost, a journey.Action) error {
	switch a := a.(type) {
	case journey.SetDisk:
		w.do = func(ctx context.Context, s bmc.Session, out *journey.ActionResult) error {
			out.BootID = a.BootID
			return setDisk(ctx, s, a.Mode, w.note)
		}
	case journey.ReadFirmware:
		w.do = func(ctx context.Context, s bmc.Session, _ *journey.ActionResult) error {
			reading, err := r.firmware.Read(ctx, s)
			if err != nil {
				return err
			}
			return r.firmware.Save(ctx, host, reading, r.now())
		}
	case journey.SetFirmware:
		w.do = func(ctx context.Context, s bmc.Session, _ *journey.ActionResult) error {
			if s.BIOS() == nil {
				return unsupported("set BIOS settings", "this BMC shows no settings of the firmware", "empty spec.settings of the host's HostFirmwareSettings")
			}
			return s.BIOS().Set(ctx, a.Settings)
		}
	default:
		if w.do = volumes.Work(a); w.do != nil {
			return nil
		}
		if w.do = r.components.Work(host, a, r.now); w.do == nil {
			return fmt.Errorf("no arm for action %T: a new action needs one in internal/controller/host", a)
		}
	}
	return nil
}

func unsupported(op, why, fix string) error {
	return &bmc.Error{Op: op, Kind: step.Unsupported, Err: errorText(why), Fix: fix}
}

// errorText is a plain sentence as an error.
type errorText string

func (e errorText) Error() string { return string(e) }
