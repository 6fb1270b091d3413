package redfish

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// components implements bmc.Components. A BMC has it where its service root links to an UpdateService; that is read when it is needed, not while probing.
type components struct {
	s *service
	// at is the UpdateService, tasks the TaskService; tasks is empty where there is none.
	at, tasks link
}

// Bounds of what is taken from a BMC.
const (
	maxComponents    = 64
	maxComponentName = 64
	maxVersion       = 100
	nicPrefix        = "nic:"
)

// Read implements bmc.Components: BIOS and BMC have their version in the system and in its manager, and network adapters in their controllers, or else in the inventory of firmware.
func (o *components) Read(ctx context.Context) ([]bmc.Component, error) {
	out, err := o.read(ctx)
	return out, o.s.wrap("read firmware versions", err)
}

func (o *components) read(ctx context.Context) ([]bmc.Component, error) {
	var sys struct {
		computerSystem
		Links object[struct{ Chassis list[link] }]
	}
	if _, err := o.s.c.get(ctx, o.s.system, "ComputerSystem", &sys); err != nil {
		return nil, err
	}
	out := component("bios", sys.BiosVersion)
	if o.s.manager != "" {
		var mgr manager
		if _, err := o.s.c.get(ctx, o.s.manager, "Manager", &mgr); err != nil && !absent(err) {
			return nil, err
		}
		out = append(out, component("bmc", mgr.FirmwareVersion)...)
	}
	nics, err := o.adapters(ctx, sys.Links.V.Chassis)
	if err == nil && len(nics) == 0 {
		nics, err = o.inventoried(ctx)
	}
	if err != nil {
		return nil, err
	}
	out = append(out, nics...)
	slices.SortFunc(out, func(a, b bmc.Component) int { return cmp.Compare(a.Name, b.Name) })
	out = slices.CompactFunc(out, func(a, b bmc.Component) bool { return a.Name == b.Name })
	return out[:min(len(out), maxComponents)], nil
}

// component is one with a sound name and a version, or none.
func component(name string, version text) []bmc.Component {
	v := clip(string(version), maxVersion)
	if v == "" || !soundName(name) || len(name) > maxComponentName || strings.ContainsAny(name, " \t") {
		return nil
	}
	return []bmc.Component{{Name: name, Version: v}}
}

// networkAdapter is NetworkAdapter.
type networkAdapter struct {
	Own         text `json:"Id"`
	Controllers list[struct{ FirmwarePackageVersion text }]
}

// adapters are the network adapters of the system's chassis.
func (o *components) adapters(ctx context.Context, chassis []link) ([]bmc.Component, error) {
	var out []bmc.Component
	for _, at := range chassis[:min(len(chassis), maxChassis)] {
		var view struct{ NetworkAdapters link }
		if _, err := o.s.c.get(ctx, at, "Chassis", &view); err != nil && !absent(err) {
			return nil, err
		}
		if view.NetworkAdapters == "" {
			continue
		}
		all, err := o.s.c.members(ctx, view.NetworkAdapters, "NetworkAdapterCollection")
		if err != nil && !absent(err) {
			return nil, err
		}
		for _, m := range all[:min(len(all), maxComponents)] {
			var a networkAdapter
			switch err := o.s.c.read(ctx, m, "NetworkAdapter", &a); {
			case absent(err):
			case err != nil:
				return nil, err
			case len(a.Controllers) > 0:
				out = append(out, component(nicPrefix+string(a.Own), a.Controllers[0].FirmwarePackageVersion)...)
			}
		}
	}
	return out, nil
}

// maxChassis bounds the chassis of one system that are looked at.
const maxChassis = 8

// updateService is UpdateService.
type updateService struct {
	FirmwareInventory link
	Actions           object[struct {
		Simple object[simpleUpdate] `json:"#UpdateService.SimpleUpdate"`
	}]
	Oem object[map[string]object[oemUpdate]]
}

// simpleUpdate is the action, with what of its parameters is described in place.
type simpleUpdate struct {
	action
	TransferProtocols list[text] `json:"TransferProtocol@Redfish.AllowableValues"`
	ApplyTimes        object[struct {
		Values list[text] `json:"SupportedValues"`
	}] `json:"@Redfish.OperationApplyTimeSupport"`
}

// oemUpdate is what a vendor tells of an update without a task.
type oemUpdate struct {
	State   text
	Percent number `json:"FlashProgressPercent"`
	Result  object[struct{ MessageID text }]
}

// inventoried are the network adapters of the firmware's inventory (SoftwareInventory): those that are related to a network device, or carry its name in theirs.
func (o *components) inventoried(ctx context.Context) ([]bmc.Component, error) {
	var service updateService
	if _, err := o.s.c.get(ctx, o.at, "UpdateService", &service); err != nil || service.FirmwareInventory == "" {
		if absent(err) {
			err = nil
		}
		return nil, err
	}
	all, err := o.s.c.members(ctx, service.FirmwareInventory, "SoftwareInventoryCollection")
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []bmc.Component
	for _, m := range all[:min(len(all), maxComponents)] {
		var item struct {
			Own     text `json:"Id"`
			Version text
			Related list[link] `json:"RelatedItem"`
		}
		switch err := o.s.c.read(ctx, m, "SoftwareInventory", &item); {
		case absent(err):
		case err != nil:
			return nil, err
		case slices.ContainsFunc(item.Related, network):
			out = append(out, component(nicPrefix+string(item.Own), item.Version)...)
		}
	}
	return out, nil
}

// network: the link leads to a network adapter or interface.
func network(l link) bool {
	for _, part := range []string{"/NetworkAdapters/", "/NetworkInterfaces/", "/EthernetInterfaces/"} {
		if strings.Contains(string(l), part) {
			return true
		}
	}
	return false
}
