package redfish

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/sshserial"
	"github.com/ingotmetal/ingot/step"
)

// vitals implements bmc.Health by the Status of the system, and Thermal, Power or Sensors of its chassis.
type vitals struct {
	s       *service
	chassis list[link]
	// logs are the collections of log services that may hold the event log.
	logs []link

	mu sync.Mutex
	// entries is where the event log's entries are, found once; searched says that it was looked for.
	entries  link
	searched bool
}

// status is Status (Resource.Status).
type status struct{ State, Health, HealthRollup text }

// level is the worse of the part's own health and what is below it.
func (s status) level() health.Level {
	return health.Worse(health.ParseLevel(string(s.Health)), health.ParseLevel(string(s.HealthRollup)))
}

// there: the part is in its place and switched on.
func (s status) there() bool { return s.State != "Absent" && s.State != "Disabled" }

// Vitals implements bmc.Health.
func (v *vitals) Vitals(ctx context.Context) (bmc.Vitals, error) {
	const op = "read power state"
	var view struct {
		PowerState text
		Status     object[status]
	}
	a, err := v.s.c.do(ctx, request{method: http.MethodGet, path: v.s.system})
	if err != nil {
		return bmc.Vitals{}, v.s.wrap(op, err)
	}
	if err := decode(a.body, a.where, "ComputerSystem", &view); err != nil {
		return bmc.Vitals{}, v.s.wrap(op, err)
	}
	power, err := powerState(v.s.system, view.PowerState)
	return bmc.Vitals{Power: power, Rollup: view.Status.V.level()}, v.s.wrap(op, err)
}

// measure is a number that may be negative, absent or null.
type measure struct{ v *float64 }

// UnmarshalJSON never fails.
func (m *measure) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `" `), 64)
	if err == nil && f == f && f > -1e12 && f < 1e12 {
		m.v = &f
	}
	return nil
}

// sensor is a Sensor, or an element of Thermal and Power, with what this driver uses of each.
type sensor struct {
	Name, FanName, ReadingUnits text
	MemberID                    text `json:"MemberId"`

	Reading, ReadingCelsius, ReadingVolts, LineInputVoltage measure

	Status object[status]

	UpperThresholdCritical, UpperThresholdNonCritical, LowerThresholdCritical, LowerThresholdNonCritical measure

	Thresholds object[struct {
		UpperCritical, LowerCritical, UpperCaution, LowerCaution object[struct{ Reading measure }]
	}]
}

// read puts it into the contract's words; ok is false for what is not there.
func (r sensor) read(reading measure, unit string) (health.Sensor, bool) {
	st := r.Status.V
	if !st.there() {
		return health.Sensor{}, false
	}
	name := r.Name
	if name == "" {
		name = r.FanName
	}
	if name == "" {
		name = r.MemberID
	}
	out := health.Sensor{Name: clip(string(name), 100), Level: st.level(), Reading: reading.v, Unit: clip(unit, 20)}
	if out.Level != health.OK && out.Level != health.Unknown {
		out.Limit = r.limit(reading.v)
		if out.Reading == nil && st.State != "" {
			out.State = clip(string(st.State), 60)
		}
	}
	return out, name != ""
}

// limit is the threshold that a reading is beyond, nil for none that is known.
func (r sensor) limit(reading *float64) *float64 {
	if reading == nil {
		return nil
	}
	t := r.Thresholds.V
	for _, upper := range []measure{r.UpperThresholdCritical, t.UpperCritical.V.Reading, r.UpperThresholdNonCritical, t.UpperCaution.V.Reading} {
		if upper.v != nil && *reading >= *upper.v {
			return upper.v
		}
	}
	for _, lower := range []measure{r.LowerThresholdCritical, t.LowerCritical.V.Reading, r.LowerThresholdNonCritical, t.LowerCaution.V.Reading} {
		if lower.v != nil && *reading <= *lower.v {
			return lower.v
		}
	}
	return nil
}

const (
	// sensorChassis and maxSensors bound what a reading asks for: a blade has its enclosure beside itself, a large server some two hundred sensors.
	sensorChassis = 4
	maxSensors    = 128
)

// Sensors implements bmc.Health. Thermal and Power give all in two requests; the collection of Sensors, which takes one request for each, is read where they are not there.
func (v *vitals) Sensors(ctx context.Context) ([]health.Sensor, error) {
	var out []health.Sensor
	for _, path := range v.chassis[:min(len(v.chassis), sensorChassis)] {
		got, err := v.ofChassis(ctx, path)
		if err != nil && !absent(err) {
			return nil, v.s.wrap("read sensors", err)
		}
		out = append(out, got...)
	}
	return out[:min(len(out), maxSensors)], nil
}

func (v *vitals) ofChassis(ctx context.Context, path link) ([]health.Sensor, error) {
	var chassis struct{ Thermal, Power, Sensors link }
	if _, err := v.s.c.get(ctx, path, "Chassis", &chassis); err != nil {
		return nil, err
	}
	if chassis.Thermal == "" && chassis.Power == "" {
		return v.collection(ctx, chassis.Sensors)
	}
	var out []health.Sensor
	if chassis.Thermal != "" {
		var view struct{ Temperatures, Fans list[sensor] }
		if _, err := v.s.c.get(ctx, chassis.Thermal, "Thermal", &view); err != nil && !absent(err) {
			return nil, err
		}
		out = add(out, view.Temperatures, func(r sensor) (measure, string) { return r.ReadingCelsius, "Cel" })
		out = add(out, view.Fans, func(r sensor) (measure, string) { return r.Reading, string(r.ReadingUnits) })
	}
	if chassis.Power != "" {
		var view struct{ PowerSupplies, Voltages list[sensor] }
		if _, err := v.s.c.get(ctx, chassis.Power, "Power", &view); err != nil && !absent(err) {
			return nil, err
		}
		out = add(out, view.PowerSupplies, func(r sensor) (measure, string) { return r.LineInputVoltage, "V" })
		out = add(out, view.Voltages, func(r sensor) (measure, string) { return r.ReadingVolts, "V" })
	}
	return out, nil
}

func add(out []health.Sensor, from list[sensor], reading func(sensor) (measure, string)) []health.Sensor {
	for _, r := range from {
		m, unit := reading(r)
		if s, ok := r.read(m, unit); ok {
			out = append(out, s)
		}
	}
	return out
}

func (v *vitals) collection(ctx context.Context, path link) ([]health.Sensor, error) {
	if path == "" {
		return nil, nil
	}
	members, err := v.s.c.members(ctx, path, "SensorCollection")
	if err != nil {
		return nil, err
	}
	var out []health.Sensor
	for _, m := range members[:min(len(members), maxSensors)] {
		var r sensor
		if err := v.s.c.read(ctx, m, "Sensor", &r); err != nil {
			if absent(err) {
				continue
			}
			return nil, err
		}
		if s, ok := r.read(r.Reading, string(r.ReadingUnits)); ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// eventLogs are the Ids of the log service that is the system event log, by make, the best first: DMTF's own and OpenBMC's, iDRAC's, iLO's integrated management log, XClarity's, iRMC's, Supermicro's.
func eventLogs() []string {
	return []string{"SEL", "Sel", "IML", "EventLog", "PlatformLog", "SystemEventLog", "StandardLog", "Log1", "Log"}
}

// Log implements bmc.Health.
func (v *vitals) Log(ctx context.Context, most int) ([]health.Entry, error) {
	out, err := v.log(ctx, most)
	return out, v.s.wrap("read event log", err)
}

func (v *vitals) log(ctx context.Context, most int) ([]health.Entry, error) {
	path, err := v.findLog(ctx)
	if path == "" || err != nil || most <= 0 {
		return nil, err
	}
	page, err := v.logPage(ctx, path)
	if err != nil {
		return nil, err
	}
	out := page.entries()
	if page.Next != "" && int(page.Count) > len(page.Members) {
		// Most services have the oldest first, so that the newest are at the end; what is read from either end is sorted below.
		last := link(string(path) + "?$skip=" + strconv.Itoa(max(int(page.Count)-most, len(page.Members))))
		if end, err := v.logPage(ctx, last); err == nil {
			out = append(out, end.entries()...)
		}
	}
	slices.SortStableFunc(out, func(a, b health.Entry) int { return b.At.Compare(a.At) })
	return out[:min(len(out), most)], nil
}

type logPage struct {
	Members list[json.RawMessage]
	Count   number `json:"Members@odata.count"`
	Next    text   `json:"Members@odata.nextLink"`
}

func (v *vitals) logPage(ctx context.Context, path link) (logPage, error) {
	var page logPage
	_, err := v.s.c.get(ctx, path, "LogEntryCollection", &page)
	return page, err
}

func (p logPage) entries() []health.Entry {
	var out []health.Entry
	for i, raw := range p.Members {
		if i >= maxMembers {
			break
		}
		var e struct {
			ID                                                     link `json:"@odata.id"`
			Own                                                    text `json:"Id"`
			Created, EventTimestamp, Severity, Message, SensorType text
			Resolved                                               flag
		}
		if json.Unmarshal(raw, &e) != nil || e.Message == "" {
			continue
		}
		entry := health.Entry{ID: clip(string(e.Own), 60), At: timeOf(e.Created), Level: health.ParseLevel(string(e.Severity)), Sensor: clip(string(e.SensorType), 60), Message: clip(string(e.Message), maxSaid)}
		if entry.At.IsZero() {
			entry.At = timeOf(e.EventTimestamp)
		}
		if entry.ID == "" {
			entry.ID = lastPart(e.ID)
		}
		if e.Resolved {
			entry.Level = health.OK
		}
		out = append(out, entry)
	}
	return out
}

// findLog is where the entries of the event log are, empty for none.
func (v *vitals) findLog(ctx context.Context) (link, error) {
	v.mu.Lock()
	entries, searched := v.entries, v.searched
	v.mu.Unlock()
	if searched {
		return entries, nil
	}
	entries, err := v.searchLog(ctx)
	if err != nil {
		return "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.entries, v.searched = entries, true
	return entries, nil
}

func (v *vitals) searchLog(ctx context.Context) (link, error) {
	best, at := len(eventLogs()), link("")
	for _, collection := range v.logs {
		if collection == "" {
			continue
		}
		services, err := v.s.c.members(ctx, collection, "LogServiceCollection")
		if err != nil {
			if absent(err) {
				continue
			}
			return "", err
		}
		for _, m := range services {
			if i := slices.Index(eventLogs(), lastPart(link(strings.TrimRight(string(m.path), "/")))); i >= 0 && i < best {
				best, at = i, m.path
			}
		}
	}
	if at == "" {
		return "", nil
	}
	var service struct{ Entries link }
	if _, err := v.s.c.get(ctx, at, "LogService", &service); err != nil {
		if absent(err) {
			return "", nil
		}
		return "", err
	}
	return service.Entries, nil
}

// console implements bmc.ConsoleLog by the log service HostLogger, where OpenBMC keeps the host's serial output, one entry a line.
type console struct {
	s       *service
	service link
}

// hostLogger is OpenBMC's name of the service (bmcweb, LogServices/HostLogger).
const hostLogger = "HostLogger"

// maxConsoleBytes bounds what is read; the newest is kept.
const maxConsoleBytes = 1 << 20

func probeConsole(ctx context.Context, s *service, sys computerSystem) (*console, error) {
	if sys.LogServices == "" {
		return nil, nil
	}
	services, err := s.c.members(ctx, sys.LogServices, "LogServiceCollection")
	if err != nil {
		if absent(err) {
			return nil, nil
		}
		return nil, err
	}
	for _, m := range services {
		if lastPart(m.path) == hostLogger {
			return &console{s: s, service: m.path}, nil
		}
	}
	return nil, nil
}

// Read implements bmc.ConsoleLog.
func (l *console) Read(ctx context.Context) (string, error) {
	log, err := l.read(ctx)
	return log, l.s.wrap("read console log", err)
}

func (l *console) read(ctx context.Context) (string, error) {
	var service struct{ Entries link }
	if _, err := l.s.c.get(ctx, l.service, "LogService", &service); err != nil {
		return "", err
	}
	var b strings.Builder
	path := service.Entries
	for page := 0; path != "" && page < maxPages; page++ {
		var view struct {
			Members list[struct{ Message text }]
			Next    text `json:"Members@odata.nextLink"`
		}
		if _, err := l.s.c.get(ctx, path, "LogEntryCollection", &view); err != nil {
			return "", err
		}
		for _, m := range view.Members {
			b.WriteString(string(m.Message))
			b.WriteByte('\n')
		}
		path = linkOf(string(view.Next))
	}
	out := b.String()
	return out[max(0, len(out)-maxConsoleBytes):], nil
}

// serialConsole is ComputerSystem.SerialConsole (DSP0268, ComputerSystem 1.13 and later) and Manager.SerialConsole, which came first and has no port.
type serialConsole struct {
	SSH object[struct {
		ServiceEnabled flag
		Port           number
		// ConsoleEntryCommand is typed where the port is the BMC's own shell.
		ConsoleEntryCommand text
	}]

	ServiceEnabled        flag
	ConnectTypesSupported list[text]
}

// sshPort is where a manager's SSH is that names no port.
const sshPort = 22

// serialOverSSH implements bmc.Console by the SSH server that the BMC names.
type serialOverSSH struct {
	s    *service
	port int
	// entry is typed first; empty: the port is the console itself.
	entry string
}

// probeSerial finds the console: the system's own, else the manager's. A BMC that says nothing of it, or has it switched off, has none.
func probeSerial(s *service, sys computerSystem, mgr manager) *serialOverSSH {
	if s.c.opts.DialSSH == nil {
		return nil
	}
	const ports = 1 << 16
	if own := sys.SerialConsole.V.SSH.V; own.ServiceEnabled && own.Port >= 0 && own.Port < ports {
		port := int(own.Port)
		if port == 0 {
			port = sshPort
		}
		return &serialOverSSH{s: s, port: port, entry: clip(string(own.ConsoleEntryCommand), 256)}
	}
	by := mgr.SerialConsole.V
	for _, kind := range by.ConnectTypesSupported {
		if by.ServiceEnabled && kind == "SSH" {
			return &serialOverSSH{s: s, port: sshPort}
		}
	}
	return nil
}

const serialOp = "open the serial console"

// Watch implements bmc.Console.
func (c *serialOverSSH) Watch(ctx context.Context, out io.Writer) error {
	opened, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = opened.Close() })()
	defer func() { _ = opened.Close() }()
	_, err = io.Copy(out, opened)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Open implements bmc.Console.
func (c *serialOverSSH) Open(ctx context.Context) (bmc.Serial, error) {
	ctx, cancel := context.WithTimeout(ctx, c.s.c.opts.CallTimeout)
	defer cancel()
	if err := c.s.c.budget.take(ctx); err != nil {
		return nil, c.s.wrap(serialOp, err)
	}
	o := sshserial.Options{
		Dial: c.s.c.opts.DialSSH, Address: net.JoinHostPort(c.s.c.addr.Host, strconv.Itoa(c.port)), User: c.s.c.username, Password: c.s.c.password,
		HostKey: c.s.c.sshHostKey, TrustsAny: c.s.c.trustsAny, Entry: c.entry,
	}
	return sshserial.Open(ctx, o, func(kind step.FailureKind, fix string, err error) error {
		return c.s.wrap(serialOp, &fault{kind: kind, err: err, fix: fix})
	})
}
