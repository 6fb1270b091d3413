package bmcsim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	registriesPath = "/redfish/v1/Registries"
	// biosFamily is the attribute registry's name without its version.
	biosFamily   = "BiosAttributeRegistry"
	biosRegistry = biosFamily + ".v1_0_0"
	// baseRegistry is DMTF's own, which this BMC names and does not keep.
	baseRegistry = "Base.1.18"
)

// biosState is the firmware's settings: in force, and from the next boot on. The maps are replaced, never edited. It is guarded by BMC.mu.
type biosState struct {
	now, next map[string]any
	// job ends with the next boot, where the personality has jobs.
	job *task
}

// biosAttribute is one row of the registry: what a setting may be, and what it is at first.
type biosAttribute struct {
	name, kind string
	first      any
	values     []string
	low, high  int64
	maxLength  int
	readOnly   bool
}

// biosAttributes are the settings that every simulated machine has.
func (b *BMC) biosAttributes() []biosAttribute {
	onOff := []string{"Enabled", "Disabled"}
	return []biosAttribute{
		{name: "LogicalProc", kind: "Enumeration", first: "Enabled", values: onOff},
		{name: "ProcVirtualization", kind: "Enumeration", first: "Enabled", values: onOff},
		{name: "SriovGlobalEnable", kind: "Enumeration", first: "Disabled", values: onOff},
		{name: "PowerProfile", kind: "Enumeration", first: "Balanced", values: []string{"Balanced", "Performance", "PowerSaving"}},
		{name: "BootRetries", kind: "Integer", first: int64(3), low: 0, high: 10},
		{name: "QuietBoot", kind: "Boolean", first: true},
		{name: "AssetTag", kind: "String", first: "", maxLength: 16},
		{name: "SetupPassword", kind: "Password", first: nil},
		{name: "SystemSerialNumber", kind: "String", first: b.machine.Hardware().SerialNumber, readOnly: true},
	}
}

func (b *BMC) biosAttribute(name string) (biosAttribute, bool) {
	all := b.biosAttributes()
	i := slices.IndexFunc(all, func(a biosAttribute) bool { return a.name == name })
	if i < 0 {
		return biosAttribute{}, false
	}
	return all[i], true
}

// registryEntry is the attribute as AttributeRegistry has it.
func (a biosAttribute) registryEntry() doc {
	d := doc{"AttributeName": a.name, "DisplayName": a.name, "Type": a.kind, "ReadOnly": a.readOnly, "ResetRequired": true, "Immutable": false}
	switch a.kind {
	case "Enumeration":
		var values []doc
		for _, v := range a.values {
			values = append(values, doc{"ValueName": v, "ValueDisplayName": v})
		}
		d["Value"] = values
	case "Integer":
		d["LowerBound"], d["UpperBound"], d["ScalarIncrement"] = a.low, a.high, 1
	case "String":
		d["MinLength"], d["MaxLength"] = 0, a.maxLength
		d["IsSystemUniqueProperty"] = a.readOnly
	}
	return d
}

// refuses says why a value is not taken; nil where it is.
func (a biosAttribute) refuses(value any) *reply {
	no := func(id, message string) *reply {
		rep := refuse(http.StatusBadRequest, id, message)
		return &rep
	}
	if a.readOnly || a.kind == "Password" {
		return no("PropertyNotWritable", "The property "+a.name+" is a read only property and cannot be assigned a value.")
	}
	var typed, inRange bool
	switch a.kind {
	case "Enumeration":
		var s string
		s, typed = value.(string)
		inRange = slices.Contains(a.values, s)
	case "Integer":
		var n float64
		n, typed = value.(float64)
		inRange = n == float64(int64(n)) && int64(n) >= a.low && int64(n) <= a.high
	case "Boolean":
		_, typed = value.(bool)
		inRange = true
	case "String":
		var s string
		s, typed = value.(string)
		inRange = len(s) <= a.maxLength
	}
	switch {
	case !typed:
		return no("PropertyValueTypeError", "The value for the property "+a.name+" is of a different type than the property can accept.")
	case !inRange:
		return no("PropertyValueNotInList", "The value for the property "+a.name+" is not in the list of acceptable values.")
	}
	return nil
}

// biosNow is called with mu held.
func (b *BMC) biosNow() map[string]any {
	if b.firmware.now == nil {
		b.firmware.now = map[string]any{}
		for _, a := range b.biosAttributes() {
			b.firmware.now[a.name] = a.first
		}
	}
	return b.firmware.now
}

// bootBIOS brings what waits into force. It is called with mu held.
func (b *BMC) bootBIOS() {
	if len(b.firmware.next) == 0 {
		return
	}
	now := maps.Clone(b.biosNow())
	if !b.faults.set.IgnoreBIOSSettings {
		maps.Copy(now, b.firmware.next)
	}
	if t := b.firmware.job; t != nil {
		t.state, t.message, t.end = "Completed", "The settings are in force.", time.Now()
	}
	b.firmware = biosState{now: now}
}

// BIOSSettings are the firmware's settings in force, as texts.
func (b *BMC) BIOSSettings() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]string{}
	for name, value := range b.biosNow() {
		switch v := value.(type) {
		case string:
			out[name] = v
		case int64:
			out[name] = strconv.FormatInt(v, 10)
		case bool:
			out[name] = strconv.FormatBool(v)
		default:
			out[name] = ""
		}
	}
	return out
}

func (b *BMC) biosPath() string         { return b.systemPath() + "/Bios" }
func (b *BMC) biosSettingsPath() string { return b.biosPath() + "/Settings" }

func (b *BMC) biosRoutes() []route {
	if b.who.NoBIOS {
		return nil
	}
	r := []route{get(b.biosPath(), b.bios)}
	if b.who.BIOSAtOnce {
		r[0] = r[0].and(http.MethodPatch, b.patchBIOS)
	} else {
		r = append(r, get(b.biosSettingsPath(), b.biosSettings).and(http.MethodPatch, b.patchBIOS))
	}
	if b.who.NoBIOSRegistry {
		return r
	}
	return append(r, get(registriesPath, b.listRegistries), get(registriesPath+"/"+baseRegistry, b.baseRegistryFile), get(registriesPath+"/"+b.registryID(), b.registryFile), get(b.registryPath(), b.biosRegistryDoc))
}

// registryID is the Id of the registry's file.
func (b *BMC) registryID() string {
	if b.who.RegistryByFamily {
		return biosFamily
	}
	return biosRegistry
}

func (b *BMC) registryPath() string { return registriesPath + "/" + b.registryID() + "/registry.json" }

func (b *BMC) bios(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	more := doc{"Attributes": b.biosNow()}
	if !b.who.NoBIOSRegistry {
		more["AttributeRegistry"] = biosRegistry
	}
	if !b.who.BIOSAtOnce {
		settings := doc{"@odata.type": "#Settings.v1_4_0.Settings", "SettingsObject": ref(b.biosSettingsPath())}
		if b.who.BIOSByJob {
			settings["SupportedApplyTimes"] = []string{"OnReset", "AtMaintenanceWindowStart"}
		}
		more["@Redfish.Settings"] = settings
	}
	return ok(resource(c.path, "#Bios.v1_2_3.Bios", "Bios", "BIOS Configuration", more))
}

func (b *BMC) biosSettings(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := map[string]any{}
	if b.who.PendingShowsAll {
		maps.Copy(next, b.biosNow())
	}
	maps.Copy(next, b.firmware.next)
	return ok(resource(c.path, "#Bios.v1_2_3.Bios", "Settings", "BIOS Configuration Pending Settings", doc{"Attributes": next}))
}

// patchBIOS takes settings, all or none.
func (b *BMC) patchBIOS(c *call) reply {
	var ask struct {
		Attributes map[string]any
		When       *struct{ ApplyTime string } `json:"@Redfish.SettingsApplyTime"`
	}
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	for _, name := range slices.Sorted(maps.Keys(ask.Attributes)) {
		a, known := b.biosAttribute(name)
		if !known {
			return refuse(http.StatusBadRequest, "PropertyUnknown", "The property "+name+" is not in the list of valid properties for the resource.")
		}
		if rep := a.refuses(ask.Attributes[name]); rep != nil {
			return *rep
		}
		if n, number := ask.Attributes[name].(float64); number {
			ask.Attributes[name] = int64(n)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, next := maps.Clone(b.biosNow()), maps.Clone(b.firmware.next)
	if b.who.BIOSAtOnce {
		if !b.faults.set.IgnoreBIOSSettings {
			maps.Copy(now, ask.Attributes)
		}
		b.firmware.now = now
		return noContent()
	}
	if b.who.BIOSByJob && ask.When == nil {
		// Without a time the settings wait for a job that nobody makes.
		return noContent()
	}
	if next == nil {
		next = map[string]any{}
	}
	maps.Copy(next, ask.Attributes)
	b.firmware = biosState{now: now, next: next}
	if !b.who.BIOSByJob {
		return ok(doc{"@Message.ExtendedInfo": []doc{{"MessageId": "Base.1.18.Success", "Message": "The request completed successfully."}}})
	}
	t := b.newTask("Configure BIOS")
	b.firmware.job = t
	return reply{status: http.StatusAccepted, body: b.taskDoc(t), header: map[string]string{"Location": tasksPath + "/" + t.id}}
}

func (b *BMC) listRegistries(c *call) reply {
	return ok(collection(c.path, "MessageRegistryFileCollection", "Registry File Collection", []string{b.registryID(), baseRegistry}))
}

func (b *BMC) registryFile(c *call) reply {
	return ok(resource(c.path, "#MessageRegistryFile.v1_1_3.MessageRegistryFile", b.registryID(), "BIOS Attribute Registry File", doc{
		"Registry": biosRegistry, "Languages": []string{"de", "en"}, "Location": []doc{{"Language": "de", "Uri": "/nowhere"}, {"Language": "en", "Uri": b.registryPath()}},
	}))
}

func (b *BMC) baseRegistryFile(c *call) reply {
	return ok(resource(c.path, "#MessageRegistryFile.v1_1_3.MessageRegistryFile", baseRegistry, "Base Message Registry File", doc{
		"Registry": "Base.1.18.0", "Languages": []string{"en"}, "Location": []doc{{"Language": "en", "PublicationUri": "https://redfish.dmtf.org/registries/Base.1.18.0.json"}},
	}))
}

func (b *BMC) biosRegistryDoc(*call) reply {
	var entries []doc
	for _, a := range b.biosAttributes() {
		entries = append(entries, a.registryEntry())
	}
	return ok(doc{
		"@odata.type": "#AttributeRegistry.v1_3_8.AttributeRegistry", "Id": biosRegistry, "Name": "BIOS Attribute Registry", "Language": "en", "RegistryVersion": "1.0.0",
		"OwningEntity": b.who.Vendor, "RegistryEntries": doc{"Attributes": entries, "Dependencies": []doc{}, "Menus": []doc{}},
	})
}
