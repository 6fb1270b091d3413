package bmcsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// resource is a resource with what every one must have (DSP0266 §9.6).
func resource(path, kind, id, name string, more doc) doc {
	d := doc{"@odata.id": path, "@odata.type": kind, "Id": id, "Name": name}
	for k, v := range more {
		d[k] = v
	}
	return d
}

// collection is a resource collection; ids are the last parts of its members' paths.
func collection(path, kind, name string, ids []string) doc {
	members := make([]doc, len(ids))
	slices.Sort(ids)
	for i, id := range ids {
		members[i] = ref(path + "/" + id)
	}
	return doc{
		"@odata.id": path, "@odata.type": "#" + kind + "." + kind, "Name": name,
		"Members": members, "Members@odata.count": len(members),
	}
}

func ref(path string) doc { return doc{"@odata.id": path} }

func healthy() doc { return doc{"State": "Enabled", "Health": "OK"} }

// numbers are the Ids "1" to "n".
func numbers(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strconv.Itoa(i + 1)
	}
	return ids
}

// nth is the element that a path's last part names.
func nth[T any](c *call, all []T) (T, bool) {
	var none T
	n, err := strconv.Atoi(c.part)
	if err != nil || n < 1 || n > len(all) || strconv.Itoa(n) != c.part {
		return none, false
	}
	return all[n-1], true
}

func (b *BMC) versions(*call) reply { return ok(doc{"v1": "/redfish/v1/"}) }

func (b *BMC) root(*call) reply {
	more := doc{
		"RedfishVersion": "1.20.0", "UUID": b.machine.Hardware().UUID, "Vendor": b.who.Vendor, "Product": b.who.Product,
		"Systems": ref("/redfish/v1/Systems"), "Managers": ref("/redfish/v1/Managers"), "Chassis": ref("/redfish/v1/Chassis"), "Tasks": ref("/redfish/v1/TaskService"),
		"ProtocolFeaturesSupported": doc{"ExpandQuery": doc{"NoLinks": false}, "FilterQuery": false, "SelectQuery": false},
		"Links":                     doc{},
	}
	if !b.who.NoBIOS && !b.who.NoBIOSRegistry {
		more["Registries"] = ref(registriesPath)
	}
	if !b.who.NoEvents {
		more["EventService"] = ref(eventPath)
	}
	if !b.who.NoAccounts {
		more["AccountService"] = ref(accountPath)
	}
	if !b.who.NoUpdates {
		more["UpdateService"] = ref(updatePath)
	}
	if !b.who.NoSessions {
		more["SessionService"] = ref("/redfish/v1/SessionService")
		more["Links"] = doc{"Sessions": ref(sessionsPath)}
	}
	return ok(resource("/redfish/v1/", "#ServiceRoot.v1_16_1.ServiceRoot", "RootService", "Root Service", more))
}

func (b *BMC) odata(*call) reply {
	return ok(doc{"@odata.context": "/redfish/v1/$metadata", "value": []doc{
		{"name": "Service", "kind": "Singleton", "url": "/redfish/v1/"}, {"name": "Systems", "kind": "Singleton", "url": "/redfish/v1/Systems"},
		{"name": "Managers", "kind": "Singleton", "url": "/redfish/v1/Managers"}, {"name": "Chassis", "kind": "Singleton", "url": "/redfish/v1/Chassis"},
	}})
}

// metadata names the schemas without repeating them.
func (b *BMC) metadata(*call) reply {
	return reply{status: http.StatusOK, body: `<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">
  <edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/ServiceRoot_v1.xml"><edmx:Include Namespace="ServiceRoot.v1_16_1"/></edmx:Reference>
  <edmx:DataServices><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service"><EntityContainer Name="Service" Extends="ServiceRoot.v1_16_1.ServiceContainer"/></Schema></edmx:DataServices>
</edmx:Edmx>
`}
}

func (b *BMC) listManagers(*call) reply {
	return ok(collection("/redfish/v1/Managers", "ManagerCollection", "Manager Collection", []string{b.who.ManagerID}))
}

func (b *BMC) manager(*call) reply {
	more := doc{
		"ManagerType": "BMC", "Model": b.who.Product, "FirmwareVersion": b.version("bmc"), "PowerState": "On", "Status": healthy(), "UUID": b.machine.Hardware().UUID,
		"Links": doc{"ManagerForServers": []doc{ref(b.systemPath())}, "ManagerForChassis": []doc{ref("/redfish/v1/Chassis/1")}},
	}
	if !b.who.MediaUnderSystem {
		more["VirtualMedia"] = ref(b.mediaPath())
	}
	if b.who.SELUnderManager {
		more["LogServices"] = ref(b.selCollection())
	}
	if b.who.CDByAttributes {
		more["Links"].(doc)["Oem"] = doc{"Dell": doc{"DellAttributes": []doc{ref(b.attributesPath())}}} // made above
	}
	return ok(resource(b.managerPath(), "#Manager.v1_19_1.Manager", b.who.ManagerID, "Manager", more))
}

func (b *BMC) listChassis(*call) reply {
	return ok(collection("/redfish/v1/Chassis", "ChassisCollection", "Chassis Collection", []string{"1"}))
}

func (b *BMC) chassis(*call) reply {
	hw := b.machine.Hardware()
	more := doc{
		"ChassisType": "RackMount", "Manufacturer": b.manufacturer(hw), "Model": b.model(hw), "SerialNumber": hw.SerialNumber, "UUID": hw.UUID, "Status": healthy(),
		"Links": doc{"ComputerSystems": []doc{ref(b.systemPath())}, "ManagedBy": []doc{ref(b.managerPath())}},
	}
	if !b.who.NoNetworkAdapters {
		more["NetworkAdapters"] = ref(adaptersPath)
	}
	b.chassisHealth(more)
	return ok(resource("/redfish/v1/Chassis/1", "#Chassis.v1_25_1.Chassis", "1", "Chassis", more))
}

func (b *BMC) manufacturer(hw Hardware) string {
	if b.who.Manufacturer != "" {
		return b.who.Manufacturer
	}
	return hw.Manufacturer
}

func (b *BMC) model(hw Hardware) string {
	if b.who.Model != "" {
		return b.who.Model
	}
	return hw.Model
}

func (b *BMC) listProcessors(*call) reply {
	return ok(collection(b.systemPath()+"/Processors", "ProcessorCollection", "Processors", numbers(len(b.machine.Hardware().CPUs))))
}

func (b *BMC) processor(c *call) reply {
	cpu, found := nth(c, b.machine.Hardware().CPUs)
	if !found {
		return notFound(c)
	}
	return ok(resource(c.path, "#Processor.v1_20_1.Processor", c.part, "Processor "+c.part, doc{
		"Socket": "CPU " + c.part, "ProcessorType": "CPU", "ProcessorArchitecture": cpu.Architecture, "Model": cpu.Model, "TotalCores": cpu.Cores, "TotalThreads": cpu.Threads,
		"InstructionSet": map[string]string{"x86": "x86-64", "ARM": "ARM-A64"}[cpu.Architecture], "MaxSpeedMHz": cpu.MaxMHz, "Status": healthy(),
	}))
}

func (b *BMC) listMemory(*call) reply {
	return ok(collection(b.systemPath()+"/Memory", "MemoryCollection", "Memory", []string{"1"}))
}

func (b *BMC) memory(c *call) reply {
	return ok(resource(c.path, "#Memory.v1_20_0.Memory", "1", "Memory 1", doc{
		"CapacityMiB": b.machine.Hardware().MemoryMebibytes, "MemoryType": "DRAM", "Status": healthy(),
	}))
}

func (b *BMC) listInterfaces(*call) reply {
	return ok(collection(b.systemPath()+"/EthernetInterfaces", "EthernetInterfaceCollection", "Ethernet Interfaces", numbers(len(b.machine.Hardware().NICs))))
}

func (b *BMC) ethernet(c *call) reply {
	nic, found := nth(c, b.machine.Hardware().NICs)
	if !found {
		return notFound(c)
	}
	status := "LinkDown"
	if nic.LinkUp {
		status = "LinkUp"
	}
	return ok(resource(c.path, "#EthernetInterface.v1_12_3.EthernetInterface", c.part, nic.Name, doc{
		"MACAddress": nic.MAC, "PermanentMACAddress": nic.MAC, "SpeedMbps": nic.SpeedMbps, "LinkStatus": status, "InterfaceEnabled": true, "Status": healthy(),
	}))
}

func (b *BMC) hasSecureBoot() bool { return !b.who.NoSecureBoot && b.machine.Hardware().SecureBoot }

// The host's serial output as OpenBMC shows it: one log entry a line.
const (
	consoleBytes = 256 << 10
	logPage      = 500
)

func (b *BMC) lines() []string {
	text := strings.TrimRight(string(b.machine.Console(consoleBytes)), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (b *BMC) listLogServices(c *call) reply {
	return ok(collection(c.path, "LogServiceCollection", "Log Services", b.logIDs()))
}

func (b *BMC) hostLogger(c *call) reply {
	return ok(resource(c.path, "#LogService.v1_7_0.LogService", "HostLogger", "Host Logger Service", doc{
		"ServiceEnabled": true, "OverWritePolicy": "WrapsWhenFull", "LogEntryType": "Oem", "Entries": ref(c.path + "/Entries"), "Status": healthy(),
	}))
}

func (b *BMC) listLogEntries(c *call) reply {
	lines := b.lines()
	from, err := strconv.Atoi(c.query.Get("$skip"))
	if err != nil || from < 0 {
		from = 0
	}
	from = min(from, len(lines))
	to := min(from+logPage, len(lines))
	members := []doc{}
	for i := from; i < to; i++ {
		members = append(members, entry(c.path, i, lines[i]))
	}
	d := doc{
		"@odata.id": c.path, "@odata.type": "#LogEntryCollection.LogEntryCollection", "Name": "Host Log Entries", "Members": members, "Members@odata.count": len(lines),
	}
	if to < len(lines) {
		d["Members@odata.nextLink"] = c.path + "?$skip=" + strconv.Itoa(to)
	}
	return ok(d)
}

func (b *BMC) logEntry(c *call) reply {
	lines := b.lines()
	n, err := strconv.Atoi(c.part)
	if err != nil || n < 0 || n >= len(lines) {
		return notFound(c)
	}
	return ok(entry(strings.TrimSuffix(c.path, "/"+c.part), n, lines[n]))
}

func entry(entries string, n int, line string) doc {
	id := strconv.Itoa(n)
	return resource(entries+"/"+id, "#LogEntry.v1_17_0.LogEntry", id, "Host Logger Entry", doc{
		"EntryType": "Oem", "OemRecordFormat": "Host Logger Entry", "Severity": "OK", "Message": strings.TrimRight(line, "\r"),
	})
}
