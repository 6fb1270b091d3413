package bmcsim

// Personality is how makes of BMC differ, as far as a driver notices. The zero value is a BMC by the book.
type Personality struct {
	// Name is the personality's own name.
	Name string
	// Vendor, Product, Manufacturer, Model and Firmware are the strings of service root, ComputerSystem and Manager; empty: the generic ones,
	// or the machine's own.
	Vendor, Product, Manufacturer, Model, Firmware string
	// SystemID and ManagerID are the last parts of the paths; empty: "1".
	SystemID, ManagerID string

	// MediaUnderSystem puts VirtualMedia below the ComputerSystem, else below the Manager.
	MediaUnderSystem bool
	// MediaByPatch: no InsertMedia and EjectMedia actions; the Image property is patched.
	MediaByPatch bool
	// InsertByTask answers InsertMedia with 202 and a task. TaskWithoutLocation says nothing of where the task is.
	InsertByTask, TaskWithoutLocation bool
	// InsertImageOnly refuses all parameters of InsertMedia but Image.
	InsertImageOnly bool
	// InsertWantsProtocol refuses InsertMedia without TransferProtocolType.
	InsertWantsProtocol bool
	// ImageStaysAfterEject keeps the old Image, and no Inserted; ConnectedVia tells.
	ImageStaysAfterEject bool
	// UploadDrives lists two drives for uploads before the one for URLs, which is then named EXT1.
	UploadDrives bool

	// NoSessions: no SessionService, basic authentication only.
	NoSessions bool
	// RequireETag answers PATCH without If-Match by 428, and with a stale one by 412.
	RequireETag bool

	// NoOnce: boot overrides are Continuous or Disabled only.
	NoOnce bool
	// USBCD: the virtual CD is the boot source UsbCd; Cd is a real drive, which no machine of the lab has.
	USBCD bool
	// LegacyWithoutMode: an override that names no mode sets it to Legacy.
	LegacyWithoutMode bool
	// CDByAttributes: a boot from the virtual CD is asked for by the manager's Dell attributes; Cd is a real drive.
	CDByAttributes bool

	// NoGraceful: no GracefulShutdown among the reset types. NoPowerButton: no PushPowerButton.
	NoGraceful, NoPowerButton bool
	// ResetByActionInfo lists the reset types in an ActionInfo instead of in place.
	ResetByActionInfo bool
	// NoConsoleLog: no HostLogger log service. NoSecureBoot: no SecureBoot resource.
	NoConsoleLog, NoSecureBoot bool
	// NoHTTPBoot: no UEFI HTTP boot. NoAuthorities: no place for the certificates that it trusts.
	NoHTTPBoot, NoAuthorities bool

	// NoBIOS: no Bios resource. NoBIOSRegistry: nothing describes its attributes. RegistryByFamily: the registry's file has the name without the version as its Id.
	NoBIOS, NoBIOSRegistry, RegistryByFamily bool
	// BIOSAtOnce: no settings object; Bios itself is patched, and shows what was set from then on.
	BIOSAtOnce bool
	// BIOSByJob answers changed settings with 202 and a task that ends with the next boot, and forgets settings that come without an apply time.
	BIOSByJob bool
	// PendingShowsAll: the settings object shows every attribute, not only those that will change.
	PendingShowsAll bool

	// NoEvents: no EventService. NoEventStream: it sends to subscribers only. EventTypesWanted refuses a subscription without EventTypes, NoEventTypes one with them.
	NoEvents, NoEventStream, EventTypesWanted, NoEventTypes bool
	// NoSensors: the chassis has Thermal and Power only; SensorsOnly: it has neither of them.
	NoSensors, SensorsOnly bool
	// SELID is the Id of the system event log's service; empty: SEL. SELUnderManager puts it below the Manager.
	SELID           string
	SELUnderManager bool

	// NoUpdates: no UpdateService. NoSimpleUpdate: it shows versions and takes no image by URL. NoNetworkAdapters: network adapters are in the inventory of firmware alone.
	NoUpdates, NoSimpleUpdate, NoNetworkAdapters bool
	// NoPush: no image can be sent. OctetPush: it is sent alone, to HttpPushUri, and not in a form.
	NoPush, OctetPush bool
	// UpdateWantsProtocol refuses an update without TransferProtocol, and does not say which there are. UpdateWantsTime: one without an apply time is never begun.
	UpdateWantsProtocol, UpdateWantsTime bool
	// UpdateOnReset: updates of other components than the BMC are jobs that begin with the machine's next boot. UpdateByState: there is no task, UpdateService tells of the update.
	UpdateOnReset, UpdateByState bool
	// VolumesOnReset: volumes are changed with the machine's next boot only. VolumesAtOnce: without a task. VolumeByType: they have a VolumeType and no RAIDType. VolumeDisplayName: they are named by DisplayName.
	VolumesOnReset, VolumesAtOnce, VolumeByType, VolumeDisplayName bool
	// ControllersApart: storage controllers are a collection of their own.
	ControllersApart bool

	// NoAccounts: no AccountService. AccountSlots: so many places for accounts, all listed, of which a free one is PATCHed; ReservedSlot is the Id of one that must be let be. 0: accounts are made by POST.
	NoAccounts   bool
	AccountSlots int
	ReservedSlot string
	// AccountAlwaysEnabled: Enabled cannot be written. NoSelfChanges refuses a change of its own role or state by an account.
	AccountAlwaysEnabled, NoSelfChanges bool
	// MaxPasswordLength and MinPasswordLength; 0: 20 and 8. PasswordClasses is how many of the four classes of characters a password must have.
	MaxPasswordLength, MinPasswordLength, PasswordClasses int

	// TaskWithoutPayload: a task does not say by what it was begun.
	TaskWithoutPayload bool
}

// Personalities are the makes that the driver's suite runs against. They mimic what is publicly known of the makes in the driver's table of quirks; none was
// recorded from a real BMC.
func Personalities() []Personality {
	return []Personality{
		{Name: "generic"},
		{Name: "minimal", NoAccounts: true, NoEvents: true, NoSensors: true, NoSessions: true, NoOnce: true, NoGraceful: true, NoPowerButton: true, NoConsoleLog: true, NoSecureBoot: true, MediaByPatch: true, ResetByActionInfo: true, NoBIOS: true, NoUpdates: true, NoHTTPBoot: true},
		{Name: "media-under-system", NoSelfChanges: true, MaxPasswordLength: 16, NoEventTypes: true, SensorsOnly: true, MediaUnderSystem: true, InsertWantsProtocol: true, BIOSAtOnce: true},
		{Name: "insert-by-task", VolumesOnReset: true, NoEventStream: true, InsertByTask: true, NoBIOSRegistry: true, NoSimpleUpdate: true, NoAuthorities: true},
		{Name: "insert-by-task-without-location", InsertByTask: true, TaskWithoutLocation: true, ResetByActionInfo: true, NoGraceful: true},
		{
			Name: "idrac", SELID: "Sel", SELUnderManager: true, Vendor: "Dell", Product: "Integrated Dell Remote Access Controller", Manufacturer: "Dell Inc.", Model: "PowerEdge R650", Firmware: "7.10.30.00",
			SystemID: "System.Embedded.1", ManagerID: "iDRAC.Embedded.1", MediaUnderSystem: true, InsertByTask: true, CDByAttributes: true, NoConsoleLog: true, BIOSByJob: true,
			UpdateOnReset: true, AccountSlots: 16, ReservedSlot: "1", MaxPasswordLength: 40, PasswordClasses: 3,
		},
		{
			Name: "idrac-4.20", NoPush: true, SELID: "Sel", SELUnderManager: true, Vendor: "Dell", Product: "Integrated Dell Remote Access Controller", Manufacturer: "Dell Inc.", Model: "PowerEdge R640", Firmware: "4.20.20.20",
			SystemID: "System.Embedded.1", ManagerID: "iDRAC.Embedded.1", InsertByTask: true, CDByAttributes: true, NoConsoleLog: true, BIOSByJob: true, UpdateOnReset: true, VolumeByType: true, AccountSlots: 16, ReservedSlot: "1", PasswordClasses: 3,
		},
		{
			Name: "ilo", NoPush: true, SELID: "IML", NoEventStream: true, EventTypesWanted: true, NoSensors: true, Vendor: "HPE", Product: "ProLiant DL360 Gen10", Manufacturer: "HPE", Model: "ProLiant DL360 Gen10", Firmware: "iLO 5 v2.78", NoGraceful: true, NoConsoleLog: true,
			RegistryByFamily: true, UpdateByState: true, VolumeDisplayName: true, AccountAlwaysEnabled: true, MaxPasswordLength: 39, PasswordClasses: 3,
		},
		{
			Name: "xclarity", SELID: "PlatformLog", Vendor: "Lenovo", Product: "XClarity Controller", Manufacturer: "Lenovo", Model: "ThinkSystem SR630 V2", Firmware: "AFBT20X 1.89",
			MediaByPatch: true, UploadDrives: true, RequireETag: true, NoConsoleLog: true, TaskWithoutPayload: true, VolumesAtOnce: true, AccountSlots: 12, MinPasswordLength: 10, MaxPasswordLength: 32, PasswordClasses: 4,
		},
		{
			Name: "supermicro", SELID: "Log1", NoEventStream: true, Vendor: "Supermicro", Manufacturer: "Supermicro", Model: "SYS-1029", Firmware: "01.01.10", InsertImageOnly: true, ImageStaysAfterEject: true,
			USBCD: true, LegacyWithoutMode: true, NoConsoleLog: true, UpdateWantsTime: true, PasswordClasses: 3,
		},
		{
			Name: "irmc", NoPush: true, SELID: "SystemEventLog", SELUnderManager: true, Vendor: "Fujitsu", Product: "iRMC S5", Manufacturer: "FUJITSU", Model: "PRIMERGY RX2540 M5", Firmware: "3.41P", ManagerID: "iRMC", SystemID: "0",
			RequireETag: true, NoConsoleLog: true, MinPasswordLength: 12, NoSelfChanges: true,
		},
		{Name: "openbmc", OctetPush: true, SELID: "EventLog", SensorsOnly: true, NoEventTypes: true, Vendor: "OpenBMC", Product: "OpenBMC", Manufacturer: "Quanta", Model: "S7PC", Firmware: "2.14.0", ManagerID: "bmc", SystemID: "system", InsertWantsProtocol: true, PendingShowsAll: true, UpdateWantsProtocol: true, NoNetworkAdapters: true, ControllersApart: true},
	}
}

func (p Personality) withDefaults() Personality {
	if p.Name == "" {
		p.Name = "generic"
	}
	if p.Vendor == "" {
		p.Vendor = "Ingot Lab"
	}
	if p.Product == "" {
		p.Product = "Simulated BMC"
	}
	if p.Firmware == "" {
		p.Firmware = "1.0"
	}
	if p.SystemID == "" {
		p.SystemID = "1"
	}
	if p.ManagerID == "" {
		p.ManagerID = "1"
	}
	return p
}

// drive is the Id of the virtual drive that takes URLs.
func (p Personality) drive() string {
	if p.UploadDrives {
		return "EXT1"
	}
	return "Cd"
}

// resetTypes are the allowable values of ResetType.
func (p Personality) resetTypes() []string {
	types := []string{"On", "ForceOff", "ForceRestart", "PowerCycle"}
	if !p.NoGraceful {
		types = append(types, "GracefulShutdown", "GracefulRestart")
	}
	if !p.NoPowerButton {
		types = append(types, "PushPowerButton")
	}
	return types
}

// bootSources are the allowable values of BootSourceOverrideTarget.
func (p Personality) bootSources() []string {
	sources := []string{"None", "Pxe", "Cd", "Hdd"}
	if !p.NoHTTPBoot {
		sources = append(sources, "UefiHttp")
	}
	if p.USBCD {
		sources = append(sources, "UsbCd")
	}
	return sources
}

// overrideKinds are the allowable values of BootSourceOverrideEnabled.
func (p Personality) overrideKinds() []string {
	if p.NoOnce {
		return []string{"Disabled", "Continuous"}
	}
	return []string{"Disabled", "Once", "Continuous"}
}
