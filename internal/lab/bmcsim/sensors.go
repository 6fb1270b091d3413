package bmcsim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// sensorDef is one sensor with what it reads while all is well, and when Faults.CriticalSensor names it.
type sensorDef struct {
	id, name, kind, unit string
	good, bad            float64
	// upper and lower are the critical thresholds, 0 for none.
	upper, lower float64
	// selType is LogEntry.SensorType.
	selType string
}

var sensorDefs = []sensorDef{
	{"CPU1Temp", "CPU1 Temp", "Temperature", "Cel", 45, 98, 90, 0, "Temperature"},
	{"InletTemp", "Inlet Temp", "Temperature", "Cel", 22, 51, 46, 0, "Temperature"},
	{"Fan1", "Fan 1", "Rotational", "RPM", 6000, 0, 0, 500, "Fan"},
	{"Fan2", "Fan 2", "Rotational", "RPM", 6100, 0, 0, 500, "Fan"},
	{"PSU1Input", "PSU1 Input", "Voltage", "V", 230, 12, 264, 180, "Voltage"},
}

const (
	chassisPath = "/redfish/v1/Chassis/1"
	// keptEntries is how many the event log remembers.
	keptEntries = 512
	selPage     = 100
)

// selEntry is one line of the system event log.
type selEntry struct {
	id                        int
	at                        time.Time
	severity, sensor, message string
}

// critical is the name of the sensor that is beyond its limit, empty for none.
func (b *BMC) critical() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults.set.CriticalSensor
}

// rollup is the Status of what has the sensors below it.
func (b *BMC) rollup() doc {
	if b.critical() == "" {
		return doc{"State": "Enabled", "Health": "OK", "HealthRollup": "OK"}
	}
	return doc{"State": "Enabled", "Health": "OK", "HealthRollup": "Critical"}
}

// status is a sensor's.
func (s sensorDef) status(critical string) doc {
	if s.name == critical {
		return doc{"State": "Enabled", "Health": "Critical"}
	}
	return healthy()
}

func (s sensorDef) reading(critical string) float64 {
	if s.name == critical {
		return s.bad
	}
	return s.good
}

// healthChanged writes the log and tells the listeners. It is called without locks.
func (b *BMC) healthChanged(was, is string) {
	if was == is {
		return
	}
	for _, s := range sensorDefs {
		origin := chassisPath + "/Sensors/" + s.id
		switch s.name {
		case was:
			b.log(selEntry{severity: "OK", sensor: s.selType, message: fmt.Sprintf("%s is back within its limits: %g %s", s.name, s.good, s.unit)})
			b.tellAll(record{"Alert", "ResourceEvent.1.3.ResourceStatusChangedOK", "The health of resource '" + s.name + "' has changed to OK.", "OK", origin})
		case is:
			b.log(selEntry{severity: "Critical", sensor: s.selType, message: fmt.Sprintf("%s is beyond its critical limit: %g %s", s.name, s.bad, s.unit)})
			b.tellAll(record{"Alert", "ResourceEvent.1.3.ResourceStatusChangedCritical", "The health of resource '" + s.name + "' has changed to Critical.", "Critical", origin})
		}
	}
}

func (b *BMC) log(e selEntry) {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	b.hub.nextEntry++
	e.id, e.at = b.hub.nextEntry, time.Now().UTC()
	b.hub.entries = append(b.hub.entries, e)
	if len(b.hub.entries) > keptEntries {
		b.hub.entries = b.hub.entries[1:]
	}
}

func (b *BMC) logged() []selEntry {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	return append([]selEntry(nil), b.hub.entries...)
}

// chassisHealth are the properties of Chassis that lead to the sensors.
func (b *BMC) chassisHealth(more doc) {
	more["Status"] = b.rollup()
	if !b.who.NoSensors {
		more["Sensors"] = ref(chassisPath + "/Sensors")
	}
	if !b.who.SensorsOnly {
		more["Thermal"], more["Power"] = ref(chassisPath+"/Thermal"), ref(chassisPath+"/Power")
	}
}

func (b *BMC) healthRoutes() []route {
	var r []route
	if !b.who.NoSensors {
		r = append(r, get(chassisPath+"/Sensors", b.listSensors), get(chassisPath+"/Sensors/*", b.readSensor))
	}
	if !b.who.SensorsOnly {
		r = append(r, get(chassisPath+"/Thermal", b.thermal), get(chassisPath+"/Power", b.powerDoc))
	}
	log := b.selPath()
	r = append(r, get(log, b.selService), get(log+"/Entries", b.listSEL), get(log+"/Entries/*", b.readSEL), post(log+clearLogAction, b.clearSEL))
	if logs := b.selCollection(); logs != b.systemPath()+"/LogServices" || b.who.NoConsoleLog {
		r = append(r, get(logs, b.listSELServices))
	}
	return r
}

func (b *BMC) listSensors(c *call) reply {
	var ids []string
	for _, s := range sensorDefs {
		ids = append(ids, s.id)
	}
	return ok(collection(c.path, "SensorCollection", "Sensors", ids))
}

func (b *BMC) readSensor(c *call) reply {
	critical := b.critical()
	for _, s := range sensorDefs {
		if s.id != c.part {
			continue
		}
		limits := doc{}
		if s.upper != 0 {
			limits["UpperCritical"] = doc{"Reading": s.upper}
		}
		if s.lower != 0 {
			limits["LowerCritical"] = doc{"Reading": s.lower}
		}
		return ok(resource(c.path, "#Sensor.v1_10_1.Sensor", s.id, s.name, doc{
			"ReadingType": s.kind, "Reading": s.reading(critical), "ReadingUnits": s.unit, "Status": s.status(critical), "Thresholds": limits,
		}))
	}
	return notFound(c)
}

// thermal is the older Thermal, which most BMCs in service have.
func (b *BMC) thermal(c *call) reply {
	critical := b.critical()
	temperatures, fans := []doc{}, []doc{}
	for i, s := range sensorDefs {
		id := strconv.Itoa(i)
		switch s.kind {
		case "Temperature":
			temperatures = append(temperatures, doc{
				"@odata.id": c.path + "#/Temperatures/" + id, "MemberId": id, "Name": s.name, "ReadingCelsius": s.reading(critical), "UpperThresholdCritical": s.upper,
				"UpperThresholdNonCritical": nil, "Status": s.status(critical), "PhysicalContext": "Intake", "SensorNumber": i, "MinReadingRangeTemp": -40, "MaxReadingRangeTemp": 125,
			})
		case "Rotational":
			fans = append(fans, doc{
				"@odata.id": c.path + "#/Fans/" + id, "MemberId": id, "Name": s.name, "Reading": s.reading(critical), "ReadingUnits": s.unit, "LowerThresholdCritical": s.lower,
				"Status": s.status(critical), "SerialNumber": "FAN-" + id, "MinReadingRange": 0, "MaxReadingRange": 30000,
			})
		}
	}
	return ok(resource(c.path, "#Thermal.v1_7_3.Thermal", "Thermal", "Thermal", doc{"Temperatures": temperatures, "Fans": fans}))
}

func (b *BMC) powerDoc(c *call) reply {
	critical := b.critical()
	supplies := []doc{}
	for i, s := range sensorDefs {
		if s.kind == "Voltage" {
			id := strconv.Itoa(i)
			supplies = append(supplies, doc{
				"@odata.id": c.path + "#/PowerSupplies/" + id, "MemberId": id, "Name": s.name, "LineInputVoltage": s.reading(critical), "Status": s.status(critical),
				"SerialNumber": "PSU-" + id, "PowerCapacityWatts": 800, "LastPowerOutputWatts": 210,
			})
		}
	}
	supplies = append(supplies, doc{"MemberId": "empty", "Name": "PSU2 Input", "LineInputVoltage": nil, "Status": doc{"State": "Absent"}})
	return ok(resource(c.path, "#Power.v1_7_3.Power", "Power", "Power", doc{"PowerSupplies": supplies, "Voltages": []doc{}}))
}

const clearLogAction = "/Actions/LogService.ClearLog"

// selCollection is the log services' that the event log is among.
func (b *BMC) selCollection() string {
	if b.who.SELUnderManager {
		return b.managerPath() + "/LogServices"
	}
	return b.systemPath() + "/LogServices"
}

func (b *BMC) selPath() string {
	id := b.who.SELID
	if id == "" {
		id = "SEL"
	}
	return b.selCollection() + "/" + id
}

// logIDs are the log services of the system.
func (b *BMC) logIDs() []string {
	var ids []string
	if !b.who.NoConsoleLog {
		ids = append(ids, "HostLogger")
	}
	if !b.who.SELUnderManager {
		ids = append(ids, b.selPath()[len(b.selCollection())+1:])
	}
	return ids
}

func (b *BMC) listSELServices(c *call) reply {
	return ok(collection(c.path, "LogServiceCollection", "Log Services", []string{b.selPath()[len(b.selCollection())+1:]}))
}

func (b *BMC) selService(c *call) reply {
	return ok(resource(c.path, "#LogService.v1_7_0.LogService", c.path[len(b.selCollection())+1:], "System Event Log Service", doc{
		"ServiceEnabled": true, "OverWritePolicy": "WrapsWhenFull", "LogEntryType": "SEL", "MaxNumberOfRecords": keptEntries, "Entries": ref(c.path + "/Entries"), "Status": healthy(),
		"Actions": doc{"#LogService.ClearLog": doc{"target": c.path + clearLogAction}},
	}))
}

func (b *BMC) selDoc(entries string, e selEntry) doc {
	id := strconv.Itoa(e.id)
	return resource(entries+"/"+id, "#LogEntry.v1_17_0.LogEntry", id, "Log Entry "+id, doc{
		"EntryType": "SEL", "Created": e.at.Format(time.RFC3339), "Severity": e.severity, "SensorType": e.sensor, "EntryCode": "Assert", "Message": e.message,
	})
}

func (b *BMC) listSEL(c *call) reply {
	all := b.logged()
	from, err := strconv.Atoi(c.query.Get("$skip"))
	if err != nil || from < 0 {
		from = 0
	}
	from = min(from, len(all))
	to := min(from+selPage, len(all))
	members := []doc{}
	for _, e := range all[from:to] {
		members = append(members, b.selDoc(c.path, e))
	}
	d := doc{"@odata.id": c.path, "@odata.type": "#LogEntryCollection.LogEntryCollection", "Name": "Log Entries", "Members": members, "Members@odata.count": len(all)}
	if to < len(all) {
		d["Members@odata.nextLink"] = c.path + "?$skip=" + strconv.Itoa(to)
	}
	return ok(d)
}

func (b *BMC) readSEL(c *call) reply {
	for _, e := range b.logged() {
		if strconv.Itoa(e.id) == c.part {
			return ok(b.selDoc(c.path[:len(c.path)-len(c.part)-1], e))
		}
	}
	return notFound(c)
}

func (b *BMC) clearSEL(*call) reply {
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	b.hub.entries = nil
	return reply{status: http.StatusNoContent}
}
