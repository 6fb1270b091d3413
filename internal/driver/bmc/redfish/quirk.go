package redfish

import (
	"regexp"
	"time"

	"github.com/stmcginnis/gofish/redfish"
)

// Quirk is one deviation of one make of BMC, as data. A row applies where all its patterns match; a probe finds the rest (allowable values, where the media are),
// so only what cannot be found out by asking stands here.
type Quirk struct {
	// Name is what Identity.Quirks shows.
	Name string
	// Vendor matches ServiceRoot.Vendor or ComputerSystem.Manufacturer, Model the ComputerSystem's or the Manager's model, Firmware the
	// Manager's FirmwareVersion. Empty matches everything; case does not matter.
	Vendor, Model, Firmware string
	// Reason says what was seen, and where it is written down.
	Reason string
	Effect Effect
}

// Effect is what a quirk switches. The effects of all matching rows are joined.
type Effect struct {
	// NoOnce: an override for one boot is not honoured; a continuous one is set instead, and the caller clears it.
	NoOnce bool
	// NeedsETag: every PATCH carries If-Match from the start, instead of after a refusal.
	NeedsETag bool
	// MediaImageOnly: InsertMedia takes the parameter Image and refuses all others.
	MediaImageOnly bool
	// MediaUnderSystems: where media are both under the manager and under the system, those of the system work.
	MediaUnderSystems bool
	// MediaFirst are the beginnings of the Ids of the virtual drives that take an image by URL; others are looked at only if none is there.
	MediaFirst []string
	// ImageStaysAfterEject: Image still names the last medium when nothing is connected; ConnectedVia tells.
	ImageStaysAfterEject bool
	// CDTargets are the boot sources that mean the virtual CD, the best first; those that the BMC does not list are skipped.
	CDTargets []redfish.BootSourceOverrideTarget
	// AlwaysMode: every boot override must name the firmware mode, else the BMC falls back to legacy.
	AlwaysMode bool
	// WaitAfterInsert is how long a medium that is reported as inserted is not yet seen by the firmware.
	WaitAfterInsert time.Duration
	// OneShotCD is the manager's attribute resource, below the manager's path, by which one boot from the virtual CD is asked for.
	OneShotCD string
	// EventTypes are asked for in every subscription, whatever the service lists.
	EventTypes []string
	// UpdateState is the member of UpdateService.Oem whose State tells of an update that the BMC began without a task.
	UpdateState string
	// AccountSlots: accounts are a fixed number of places; one is made by naming a free one, and removed by emptying it. ReservedSlots are the Ids of those that must be let be.
	AccountSlots  bool
	ReservedSlots []string
	// AccountAlwaysEnabled: accounts have no property Enabled that can be written, and refuse it.
	AccountAlwaysEnabled bool
}

// Quirks is the table. The lab's simulator has a personality for each effect, so that the suite runs every one of them.
func Quirks() []Quirk { return append(bootQuirks(), serviceQuirks()...) }

// bootQuirks are those of booting: media and overrides.
func bootQuirks() []Quirk {
	return []Quirk{
		{
			Name: "supermicro-insert-image-only", Vendor: "super ?micro",
			Reason: "InsertMedia answers 400 PropertyUnknown to Inserted and WriteProtected (ansible-collections/community.general#4839)",
			Effect: Effect{MediaImageOnly: true},
		},
		{
			Name: "supermicro-image-stays", Vendor: "super ?micro",
			Reason: "after EjectMedia Image keeps the old URL, only ConnectedVia says NotConnected (ansible-collections/community.general#6969, #7470)",
			Effect: Effect{ImageStaysAfterEject: true},
		},
		{
			Name: "supermicro-usbcd", Vendor: "super ?micro",
			Reason: "in UEFI mode the virtual CD is the boot source UsbCd; Cd means a real drive. An override without a mode resets the mode to Legacy (as OpenStack Ironic's Redfish driver documents)",
			Effect: Effect{CDTargets: []redfish.BootSourceOverrideTarget{usbCD, redfish.CdBootSourceOverrideTarget}, AlwaysMode: true},
		},
		{
			Name: "lenovo-ext-slots", Vendor: "lenovo",
			Reason: "XClarity lists up to ten drives; only EXT1 and following take a URL, RDOC and Remote are for uploads and the browser (lenovo/python-redfish-lenovo#21)",
			Effect: Effect{MediaFirst: []string{"EXT"}},
		},
		{
			Name: "lenovo-etag", Vendor: "lenovo",
			Reason: "XClarity's own scripts send If-Match with every PATCH; without it some firmwares answer 412 (lenovo/python-redfish-lenovo). Media may be PATCH only (stmcginnis/gofish#529), which the probe finds",
			Effect: Effect{NeedsETag: true},
		},
		{
			Name: "fujitsu-etag", Vendor: "fujitsu|fsas",
			Reason: "iRMC S5 and S6 answer a PATCH without If-Match by 412 or 428 (iRMC Redfish white paper, \"ETag handling\")",
			Effect: Effect{NeedsETag: true},
		},
		{
			Name: "fujitsu-slow-media", Vendor: "fujitsu|fsas",
			Reason: "iRMC reports Inserted before the remote image is connected to the USB bus",
			Effect: Effect{WaitAfterInsert: 5 * time.Second},
		},
		{
			Name: "idrac-media-under-systems", Vendor: "dell", Firmware: `^([6-9]|[1-9]\d)\.`,
			Reason: "since iDRAC9 6.x the media under Managers are deprecated in favour of those under Systems (iDRAC9 Redfish release notes)",
			Effect: Effect{MediaUnderSystems: true},
		},
		{
			Name: "idrac-virtual-cd-once", Vendor: "dell",
			Reason: "boot source Cd means a physical drive; one boot from the virtual CD is asked for by the manager's attributes ServerBoot.1.FirstBootDevice=VCD-DVD and " +
				"BootOnce (Dell's attribute registry; OpenStack Ironic's idrac boot interface does the same)",
			Effect: Effect{OneShotCD: "/Oem/Dell/DellAttributes/"},
		},
		{
			Name: "openbmc-slow-media", Vendor: "openbmc",
			Reason: "bmcweb answers InsertMedia when the proxy was started; the USB gadget appears a moment later (openbmc/bmcweb, virtual_media.hpp)",
			Effect: Effect{WaitAfterInsert: 2 * time.Second},
		},
	}
}

// serviceQuirks are those of what a BMC does beside: updates, events, accounts.
func serviceQuirks() []Quirk {
	return []Quirk{
		{
			Name: "ilo-update-state", Vendor: "hpe|hewlett",
			Reason: "iLO 5 answers SimpleUpdate without a task; UpdateService.Oem.Hpe.State and FlashProgressPercent tell how far the update is (iLO 5 Redfish API reference, UpdateService)",
			Effect: Effect{UpdateState: "Hpe"},
		},
		{
			Name: "ilo-event-types", Vendor: "hpe|hewlett",
			Reason: "iLO 5 refuses a subscription without EventTypes, and sends all it has for these (iLO 5 Redfish API reference, EventService and EventDestination)",
			Effect: Effect{EventTypes: []string{"Alert", "ResourceAdded", "ResourceRemoved", "ResourceUpdated", "StatusChange"}},
		},
		{
			Name: "idrac-account-slots", Vendor: "dell",
			Reason: "iDRAC has 16 places for accounts, all listed; POST is refused, a free one is PATCHed, and place 1 is the anonymous user's (Dell's CreateDeleteIdracUsersREDFISH.py). From iDRAC10 on POST works, " +
				"and PATCH as well",
			Effect: Effect{AccountSlots: true, ReservedSlots: []string{"1"}},
		},
		{
			Name: "lenovo-account-slots", Vendor: "lenovo",
			Reason: "XClarity lists 12 places for accounts, and Lenovo's own script PATCHes a free one (lenovo/python-redfish-lenovo, lenovo_create_bmc_user.py)",
			Effect: Effect{AccountSlots: true},
		},
		{
			Name: "ilo-account-enabled", Vendor: "hpe|hewlett",
			Reason: "iLO 5 accounts are always enabled, and a POST with Enabled is refused as an unknown property (iLO 5 Redfish API reference, ManagerAccount)",
			Effect: Effect{AccountAlwaysEnabled: true},
		},
	}
}

// joined is the effect of all rows that match, and their names.
func joined(rows []Quirk, vendor, manufacturer, model, managerModel, firmware string) (Effect, []string) {
	var e Effect
	var names []string
	for _, q := range rows {
		if !matches(q.Vendor, vendor, manufacturer) || !matches(q.Model, model, managerModel) || !matches(q.Firmware, firmware) {
			continue
		}
		names = append(names, q.Name)
		e = e.join(q.Effect)
	}
	return e, names
}

func matches(pattern string, values ...string) bool {
	if pattern == "" {
		return true
	}
	// The patterns are the table's own; a test compiles all of them.
	re := regexp.MustCompile("(?i)" + pattern)
	for _, v := range values {
		if re.MatchString(v) {
			return true
		}
	}
	return false
}

func (e Effect) join(o Effect) Effect {
	e.NoOnce = e.NoOnce || o.NoOnce
	e.NeedsETag = e.NeedsETag || o.NeedsETag
	e.MediaImageOnly = e.MediaImageOnly || o.MediaImageOnly
	e.MediaUnderSystems = e.MediaUnderSystems || o.MediaUnderSystems
	e.MediaFirst = append(e.MediaFirst, o.MediaFirst...)
	e.ImageStaysAfterEject = e.ImageStaysAfterEject || o.ImageStaysAfterEject
	e.CDTargets = append(e.CDTargets, o.CDTargets...)
	e.AlwaysMode = e.AlwaysMode || o.AlwaysMode
	e.WaitAfterInsert = max(e.WaitAfterInsert, o.WaitAfterInsert)
	if o.OneShotCD != "" {
		e.OneShotCD = o.OneShotCD
	}
	e.EventTypes = append(e.EventTypes, o.EventTypes...)
	e.AccountSlots = e.AccountSlots || o.AccountSlots
	e.ReservedSlots = append(e.ReservedSlots, o.ReservedSlots...)
	e.AccountAlwaysEnabled = e.AccountAlwaysEnabled || o.AccountAlwaysEnabled
	if o.UpdateState != "" {
		e.UpdateState = o.UpdateState
	}
	return e
}
