package bmcsim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// requirement is one line of Ironic's interoperability profile for Redfish (OpenStackIronicProfile 1.2.0), in our words.
type requirement struct {
	schema string
	// property is the way to it, by dots; of arrays every element is looked at. "#Action" is an action's target, "#Action.Parameter" what the action says of a parameter.
	property string
	// values have to be among those of the property, or allowed for it.
	values []string
	// optional: the profile recommends it. Without that it is mandatory where the resource is there.
	optional bool
	// missing is why the simulated BMC does not serve it; empty: it does.
	missing string
}

func profile() []requirement {
	must := func(schema string, properties ...string) (out []requirement) {
		for _, p := range properties {
			out = append(out, requirement{schema: schema, property: p})
		}
		return out
	}
	should := func(schema string, properties ...string) (out []requirement) {
		for _, p := range properties {
			out = append(out, requirement{schema: schema, property: p, optional: true})
		}
		return out
	}
	const unasked = "nothing of Ingot asks for it"
	return slices.Concat(
		must("ServiceRoot", "Systems"), should("ServiceRoot", "SessionService", "UpdateService"),
		[]requirement{{schema: "ServiceRoot", property: "TaskService", optional: true, missing: "by the schema (ServiceRoot 1.16) the property is Tasks, which is served"}},
		must("ComputerSystemCollection", "Members"),
		must("ComputerSystem", "PowerState", "Links.ManagedBy", "Boot.BootSourceOverrideMode"),
		[]requirement{
			{schema: "ComputerSystem", property: "Boot.BootSourceOverrideEnabled", values: []string{"Once", "Continuous"}}, {schema: "ComputerSystem", property: "Boot.BootSourceOverrideTarget", values: []string{"Pxe", "Hdd", "Cd"}},
			{schema: "ComputerSystem", property: "#ComputerSystem.Reset.ResetType", values: []string{"On", "ForceOff", "ForceRestart"}},
			{schema: "ComputerSystem", property: "#ComputerSystem.Reset.ResetType", values: []string{"GracefulShutdown", "GracefulRestart"}, optional: true},
			{schema: "ComputerSystem", property: "#ComputerSystem.Reset.ResetType", values: []string{"Nmi"}, optional: true, missing: unasked},
			{schema: "ComputerSystem", property: "IndicatorLED", optional: true, missing: unasked}, {schema: "ComputerSystem", property: "SimpleStorage", optional: true, missing: "Storage is served, which took its place in the schemas"},
		},
		should("ComputerSystem", "Bios", "BiosVersion", "EthernetInterfaces", "Links.Chassis", "Manufacturer", "MemorySummary.TotalSystemMemoryGiB", "Processors", "SecureBoot", "Storage", "VirtualMedia"),
		must("Bios", "Attributes"), should("Bios", "AttributeRegistry", "@Redfish.Settings.SettingsObject"),
		[]requirement{
			{schema: "Bios", property: "@Redfish.Settings.SupportedApplyTimes", values: []string{"OnReset"}, optional: true},
			{schema: "Bios", property: "@Redfish.Settings.ETag", optional: true, missing: unasked}, {schema: "Bios", property: "@Redfish.Settings.Messages", optional: true, missing: unasked},
			{schema: "Bios", property: "#Bios.ResetBios", optional: true, missing: unasked},
		},
		should("Chassis", "Power", "Thermal", "UUID"), should("Manager", "FirmwareVersion"),
		must("EthernetInterface", "MACAddress", "Status.Health", "Status.State"), must("Processor", "ProcessorArchitecture", "TotalThreads"),
		must("Drive", "MediaType", "Protocol", "Status.Health", "Status.State"), should("Drive", "CapacityBytes"),
		should("Power", "PowerSupplies.LastPowerOutputWatts", "PowerSupplies.LineInputVoltage", "PowerSupplies.PowerCapacityWatts", "PowerSupplies.SerialNumber", "PowerSupplies.Status.Health", "PowerSupplies.Status.State"),
		must("Thermal", "Fans.Reading", "Fans.ReadingUnits", "Temperatures.ReadingCelsius"),
		should("Thermal", "Fans.MaxReadingRange", "Fans.MinReadingRange", "Fans.SerialNumber", "Fans.Status.Health", "Fans.Status.State", "Temperatures.MaxReadingRangeTemp", "Temperatures.MinReadingRangeTemp",
			"Temperatures.PhysicalContext", "Temperatures.SensorNumber"),
		should("SecureBoot", "SecureBootEnable"), []requirement{{schema: "SecureBoot", property: "#SecureBoot.ResetKeys", optional: true, missing: "Ingot never touches a machine's keys"}},
		must("SessionService", "Sessions"), must("TaskService", "Tasks"),
		must("Storage", "Drives"), should("Storage", "Volumes", "Controllers", "StorageControllers.SupportedRAIDTypes"), should("StorageController", "SupportedRAIDTypes"),
		must("Volume", "CapacityBytes", "Name"), should("Volume", "RAIDType"), must("VolumeCollection", "@Redfish.OperationApplyTimeSupport"),
		should("UpdateService", "#UpdateService.SimpleUpdate", "MultipartHttpPushUri", "HttpPushUri"),
		must("VirtualMedia", "Image", "MediaTypes", "#VirtualMedia.InsertMedia", "#VirtualMedia.EjectMedia"), should("VirtualMedia", "Inserted", "WriteProtected"),
	)
}

// TestInteroperabilityProfile: what Ironic asks of every BMC the BMC by the book has; what it recommends one of the personalities has; and what none has is named with its reason, and really missing.
func TestInteroperabilityProfile(t *testing.T) {
	book := collected(t, bmcsim.Personality{})
	all := []map[string][]map[string]any{book}
	for _, p := range bmcsim.Personalities() {
		all = append(all, collected(t, p))
	}
	for _, r := range profile() {
		served := slices.ContainsFunc(all, func(docs map[string][]map[string]any) bool { return r.served(docs) })
		switch name := fmt.Sprintf("%s: %s %v", r.schema, r.property, r.values); {
		case r.missing != "" && served:
			t.Errorf("%s is served, and said to be missing: %s", name, r.missing)
		case r.missing == "" && !served:
			t.Errorf("%s is served by no personality", name)
		case !r.optional && !r.served(book):
			t.Errorf("%s is mandatory, and the BMC by the book does not serve it", name)
		}
	}
}

func (r requirement) served(docs map[string][]map[string]any) bool {
	return slices.ContainsFunc(docs[r.schema], func(d map[string]any) bool {
		at := any(d)
		steps := strings.Split(r.property, ".")
		switch {
		case strings.HasPrefix(r.property, "#"):
			steps = []string{"Actions", strings.Join(steps[:2], "."), "target"}
			if parameter := strings.Split(r.property, ".")[2:]; len(parameter) > 0 {
				steps[2] = parameter[0] + "@Redfish.AllowableValues"
			}
		case strings.HasPrefix(r.property, "@"):
			// The first word has a dot of its own.
			steps = append([]string{strings.Join(steps[:2], ".")}, steps[2:]...)
		case len(r.values) > 0:
			steps[len(steps)-1] += "@Redfish.AllowableValues"
		}
		for _, s := range steps {
			next, has := inside(at, s)
			if !has {
				return false
			}
			at = next
		}
		return !slices.ContainsFunc(r.values, func(v string) bool { return !slices.Contains(texts(at), v) })
	})
}

// inside is a member of an object, or of the first element of an array that has it.
func inside(v any, name string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		got, has := v[name]
		return got, has
	case []any:
		for _, e := range v {
			if got, has := inside(e, name); has && got != nil {
				return got, true
			}
		}
	}
	return nil, false
}

func texts(v any) (out []string) {
	all, _ := v.([]any)
	for _, one := range all {
		s, _ := one.(string)
		out = append(out, s)
	}
	return out
}

// collected are all documents that are linked from the root, by their schema, of a BMC with a RAID controller and a volume.
func collected(t *testing.T, p bmcsim.Personality) map[string][]map[string]any {
	t.Helper()
	controller := bmcsim.RAIDController{ID: "RAID1", Name: "RAID", Types: []string{"RAID0", "RAID1"}}
	for n := range 2 {
		controller.Drives = append(controller.Drives, bmcsim.RAIDDrive{Disk: bmcsim.Disk{Name: fmt.Sprint("bay ", n), Model: "Spinning", SerialNumber: fmt.Sprint("R", n), SizeBytes: 600 << 30, Protocol: "SAS", Rotational: true}})
	}
	r := newRig(t, bmcsim.Options{}, func(c *bmcsim.Config) { c.Personality, c.RAID = p, []bmcsim.RAIDController{controller} })
	if p == (bmcsim.Personality{}) {
		r.makeVolume(t)
	}
	out, seen := map[string][]map[string]any{}, map[string]bool{"/redfish/v1/": true}
	for todo := []string{"/redfish/v1/"}; len(todo) > 0; todo = todo[1:] {
		status, doc := r.do(t, http.MethodGet, todo[0], nil)
		if status != http.StatusOK {
			continue // TestEveryLinkResolves holds the links
		}
		kind, _ := doc["@odata.type"].(string)
		schema, _, _ := strings.Cut(strings.TrimPrefix(kind, "#"), ".")
		out[schema] = append(out[schema], doc)
		for _, l := range links(doc) {
			l, _, _ = strings.Cut(l, "#")
			if !seen[l] {
				seen[l] = true
				todo = append(todo, l)
			}
		}
	}
	return out
}

// makeVolume makes one of both drives, and waits until it is there.
func (r rig) makeVolume(t *testing.T) {
	t.Helper()
	const at = "/redfish/v1/Systems/1/Storage/RAID1"
	_, storage := r.do(t, http.MethodGet, at, nil)
	status, doc := r.do(t, http.MethodPost, at+"/Volumes", map[string]any{
		"RAIDType": "RAID1", "Name": "system", "Links": map[string]any{"Drives": storage["Drives"]}, "@Redfish.OperationApplyTime": "Immediate",
	})
	if status/100 != 2 {
		t.Fatalf("make a volume: %d %v", status, doc)
	}
	for {
		_, volumes := r.do(t, http.MethodGet, at+"/Volumes", nil)
		if all, _ := volumes["Members"].([]any); len(all) == 1 {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the volume did not come")
		}
	}
}
