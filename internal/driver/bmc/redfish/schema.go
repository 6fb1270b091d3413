package redfish

import "github.com/stmcginnis/gofish/redfish"

// The views: of each schema (DSP8010, 2024.4) what this driver uses, no more.

// serviceRoot is ServiceRoot.
type serviceRoot struct {
	RedfishVersion, Vendor, Product, UUID text
	Systems, Managers, SessionService     link
	Registries                            link
	Tasks, UpdateService                  link
	EventService                          link
	Links                                 object[struct{ Sessions link }]
}

// computerSystem is ComputerSystem.
type computerSystem struct {
	ID   link `json:"@odata.id"`
	Own  text `json:"Id"`
	UUID text

	Manufacturer, Model, SerialNumber, SKU, BiosVersion text

	PowerState text
	Boot       object[boot]
	Actions    object[struct {
		Reset object[action] `json:"#ComputerSystem.Reset"`
	}]
	Links object[struct{ ManagedBy, Chassis list[link] }]

	MemorySummary    object[struct{ TotalSystemMemoryGiB number }]
	ProcessorSummary object[struct {
		Count, LogicalProcessorCount number
		Model                        text
	}]

	Processors, EthernetInterfaces, Storage, SimpleStorage, SecureBoot, LogServices, VirtualMedia, Bios link
}

// boot is ComputerSystem.Boot.
type boot struct {
	Enabled text `json:"BootSourceOverrideEnabled"`
	Target  text `json:"BootSourceOverrideTarget"`
	Mode    text `json:"BootSourceOverrideMode"`

	HTTPBootURI  text `json:"HttpBootUri"`
	Certificates link

	EnabledValues list[text] `json:"BootSourceOverrideEnabled@Redfish.AllowableValues"`
	TargetValues  list[text] `json:"BootSourceOverrideTarget@Redfish.AllowableValues"`
	ModeValues    list[text] `json:"BootSourceOverrideMode@Redfish.AllowableValues"`
}

// action is an element of Actions.
type action struct {
	Target text `json:"target"`
	// Info is where the parameters are described.
	Info text `json:"@Redfish.ActionInfo"`
	// ResetTypes and Protocols are described in place.
	ResetTypes list[redfish.ResetType] `json:"ResetType@Redfish.AllowableValues"`
	Protocols  list[text]              `json:"TransferProtocolType@Redfish.AllowableValues"`
}

func (a action) path() link { return linkOf(string(a.Target)) }

// actionInfo is ActionInfo.
type actionInfo struct {
	Parameters list[struct {
		Name            text
		AllowableValues list[text]
	}]
}

// manager is Manager.
type manager struct {
	ID              link `json:"@odata.id"`
	Own             text `json:"Id"`
	FirmwareVersion text
	Model           text
	VirtualMedia    link
	LogServices     link
}

// virtualMedia is VirtualMedia.
type virtualMedia struct {
	ID           link `json:"@odata.id"`
	Own          text `json:"Id"`
	Name         text
	Image        text
	Inserted     *flag
	ConnectedVia text
	MediaTypes   list[text]
	Actions      object[struct {
		Insert object[action] `json:"#VirtualMedia.InsertMedia"`
		Eject  object[action] `json:"#VirtualMedia.EjectMedia"`
	}]
}

// secureBoot is SecureBoot.
type secureBoot struct {
	SecureBootEnable      flag
	SecureBootCurrentBoot text
}

// task is Task.
type task struct {
	ID           link `json:"@odata.id"`
	Type         text `json:"@odata.type"`
	TaskState    text
	TaskStatus   text
	TaskMonitor  text
	PercentDone  number                                  `json:"PercentComplete"`
	TaskMessages list[struct{ Message, MessageID text }] `json:"Messages"`
}
