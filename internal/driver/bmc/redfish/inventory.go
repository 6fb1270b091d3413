package redfish

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// inventory implements bmc.Inventory. What a BMC does not have is left empty; only a BMC that stops answering is an error.
type inventory struct{ s *service }

// maxParts bounds how many processors, interfaces, storage controllers and drives are read one by one.
const maxParts = 128

// Read implements bmc.Inventory.
func (i *inventory) Read(ctx context.Context) (bmc.Hardware, error) {
	hw, err := i.read(ctx)
	return hw, i.s.wrap("read inventory", err)
}

func (i *inventory) read(ctx context.Context) (bmc.Hardware, error) {
	var sys computerSystem
	if _, err := i.s.c.get(ctx, i.s.system, "ComputerSystem", &sys); err != nil {
		return bmc.Hardware{}, err
	}
	hw := bmc.Hardware{
		Manufacturer: plate(sys.Manufacturer), ProductName: plate(sys.Model), SerialNumber: plate(sys.SerialNumber), UUID: strings.ToLower(plate(sys.UUID)),
		BIOSVersion: plate(sys.BiosVersion), ReadAt: time.Now().UTC(),
		MemoryMebibytes: int(math.Round(float64(min(sys.MemorySummary.V.TotalSystemMemoryGiB, 1<<30)) * 1024)),
	}
	for _, read := range []func(context.Context, computerSystem, *bmc.Hardware) error{i.processors, i.interfaces, i.drives} {
		if err := read(ctx, sys, &hw); err != nil {
			return bmc.Hardware{}, err
		}
	}
	return hw, nil
}

// plate is a text of the maker's plate, made fit for one line.
func plate(t text) string { return clip(string(t), 200) }

// each reads the members of a collection, and skips what is not there.
func (i *inventory) each(ctx context.Context, path link, collection string, read func(member) error) error {
	if path == "" {
		return nil
	}
	members, err := i.s.c.members(ctx, path, collection)
	if err != nil {
		return unlessAbsent(err)
	}
	for _, m := range members[:min(len(members), maxParts)] {
		if err := unlessAbsent(read(m)); err != nil {
			return err
		}
	}
	return nil
}

func unlessAbsent(err error) error {
	if absent(err) {
		return nil
	}
	return err
}

// errKnown ends the reading of processors when there is nothing left to learn from them.
var errKnown = errors.New("the processors are known")

// processors counts logical processors: threads, or cores where the BMC knows no threads. Where the system's summary has count and model, only the first processor is read, for its instruction set.
func (i *inventory) processors(ctx context.Context, sys computerSystem, hw *bmc.Hardware) error {
	sum := sys.ProcessorSummary.V
	hw.CPUModel, hw.CPUCount = plate(sum.Model), int(sum.LogicalProcessorCount)
	summed := hw.CPUCount > 0 && hw.CPUModel != ""
	counted := 0
	err := i.each(ctx, sys.Processors, "ProcessorCollection", func(m member) error {
		var p struct {
			ProcessorType, Model, InstructionSet text
			TotalCores, TotalThreads             number
		}
		if err := i.s.c.read(ctx, m, "Processor", &p); err != nil {
			return err
		}
		if p.ProcessorType != "" && redfish.ProcessorType(p.ProcessorType) != redfish.CPUProcessorType {
			return nil
		}
		if hw.CPUArchitecture == "" {
			hw.CPUArchitecture = architecture(string(p.InstructionSet))
		}
		if summed {
			return errKnown
		}
		counted += int(max(p.TotalThreads, p.TotalCores))
		if hw.CPUModel == "" {
			hw.CPUModel = plate(p.Model)
		}
		return nil
	})
	if errors.Is(err, errKnown) {
		return nil
	}
	if hw.CPUCount == 0 {
		hw.CPUCount = counted
	}
	if hw.CPUCount == 0 {
		hw.CPUCount = int(sum.Count)
	}
	return err
}

// architecture puts an instruction set (DMTF Processor.InstructionSet) into the words of BareMetalHost's spec.architecture; empty for what Ingot boots nothing on. ProcessorArchitecture says less:
// its x86 is both that of 32 and of 64 bits.
func architecture(set string) string {
	switch redfish.InstructionSet(set) {
	case redfish.X8664InstructionSet:
		return "x86_64"
	case redfish.ARMA64InstructionSet:
		return "aarch64"
	default:
		return ""
	}
}

func (i *inventory) interfaces(ctx context.Context, sys computerSystem, hw *bmc.Hardware) error {
	return i.each(ctx, sys.EthernetInterfaces, "EthernetInterfaceCollection", func(m member) error {
		var n struct {
			Own                                   text `json:"Id"`
			MACAddress, PermanentMACAddress, Link text
			LinkStatus                            text
			SpeedMbps                             number
		}
		if err := i.s.c.read(ctx, m, "EthernetInterface", &n); err != nil {
			return err
		}
		mac := n.PermanentMACAddress
		if mac == "" {
			mac = n.MACAddress
		}
		if mac == "" {
			return nil
		}
		hw.NICs = append(hw.NICs, bmc.NIC{
			Name: plate(n.Own), MAC: strings.ToLower(plate(mac)), SpeedMbps: int(min(n.SpeedMbps, 1<<30)),
			LinkUp: redfish.LinkStatus(n.LinkStatus) == redfish.LinkUpLinkStatus,
		})
		return nil
	})
}

func (i *inventory) drives(ctx context.Context, sys computerSystem, hw *bmc.Hardware) error {
	err := i.each(ctx, sys.Storage, "StorageCollection", func(m member) error {
		var st struct{ Drives list[link] }
		if err := i.s.c.read(ctx, m, "Storage", &st); err != nil {
			return err
		}
		for _, path := range st.Drives {
			if path == "" || len(hw.Disks) >= maxParts {
				continue
			}
			if err := unlessAbsent(i.drive(ctx, path, hw)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(hw.Disks) > 0 {
		return err
	}
	return i.each(ctx, sys.SimpleStorage, "SimpleStorageCollection", func(m member) error {
		var st struct {
			Devices list[struct {
				Name, Model   text
				CapacityBytes number
			}]
		}
		if err := i.s.c.read(ctx, m, "SimpleStorage", &st); err != nil {
			return err
		}
		for _, d := range st.Devices[:min(len(st.Devices), maxParts)] {
			hw.Disks = append(hw.Disks, bmc.Disk{Name: plate(d.Name), Model: plate(d.Model), SizeBytes: int64(d.CapacityBytes)})
		}
		return nil
	})
}

func (i *inventory) drive(ctx context.Context, path link, hw *bmc.Hardware) error {
	var d struct {
		Own                             text `json:"Id"`
		Name, Model, SerialNumber       text
		MediaType                       text
		CapacityBytes, RotationSpeedRPM number
	}
	if _, err := i.s.c.get(ctx, path, "Drive", &d); err != nil {
		return err
	}
	name := d.Name
	if name == "" {
		name = d.Own
	}
	hw.Disks = append(hw.Disks, bmc.Disk{
		Name: plate(name), Model: plate(d.Model), SerialNumber: plate(d.SerialNumber), SizeBytes: int64(d.CapacityBytes),
		Rotational: redfish.MediaType(d.MediaType) == redfish.HDDMediaType || d.RotationSpeedRPM > 0,
	})
	return nil
}

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
