package ipmi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/command/sensor"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// healthPart implements bmc.Health by Get Chassis Status, the sensors of the SDR repository, and the SEL (IPMI 2.0 §28.2, §33, §35.14, §31).
type healthPart struct{ s *session }

// Vitals implements bmc.Health. The chassis status tells faults of power, drives and fans; without one the rollup is unknown, since temperatures and memory are not in it.
func (h healthPart) Vitals(ctx context.Context) (out bmc.Vitals, err error) {
	err = h.s.call(ctx, func(ctx context.Context, c *client.Client) error {
		status, err := c.GetChassisStatus(ctx)
		if err != nil {
			return err
		}
		out = vitalsOf(status)
		return nil
	})
	return out, h.s.wrap("read power state", err)
}

func vitalsOf(status *chassis.GetChassisStatusResponse) bmc.Vitals {
	v := bmc.Vitals{Power: bmc.Off}
	if status.PowerIsOn {
		v.Power = bmc.On
	}
	if status.PowerFault || status.PowerOverload || status.PowerControlFault || status.CollingFanFault || status.DriveFault {
		v.Rollup = health.Critical
	}
	return v
}

// maxSensors bounds the repository that is walked.
const maxSensors = 256

// Sensors implements bmc.Health: the threshold sensors that can be read. What the states of a discrete sensor mean depends on its type; their changes are in the log.
func (h healthPart) Sensors(ctx context.Context) ([]health.Sensor, error) {
	const op = "read sensors"
	records, err := h.records(ctx)
	if err != nil {
		return nil, h.s.wrap(op, err)
	}
	var out []health.Sensor
	for _, r := range records {
		var got *sensor.GetSensorReadingResponse
		err := h.s.call(ctx, func(ctx context.Context, c *client.Client) (err error) {
			got, err = c.GetSensorReading(ctx, uint8(r.Full.SensorNumber))
			return err
		})
		if answered(err) {
			continue // a sensor of a part that is not there now
		}
		if err != nil {
			return nil, h.s.wrap(op, err)
		}
		if s, ok := sensorOf(r.Full, got); ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// sensorOf puts a reading into the contract's words; ok is false for what cannot be read.
func sensorOf(full *types.SDRFull, got *sensor.GetSensorReadingResponse) (health.Sensor, bool) {
	if got.ReadingUnavailable || got.SensorScanningDisabled {
		return health.Sensor{}, false
	}
	value := full.ConvertReading(got.Reading)
	out := health.Sensor{Name: string(full.IDStringBytes), Level: health.OK, Reading: &value, Unit: full.SensorUnit.BaseUnit.String()}
	limit := func(raw uint8) {
		l := full.ConvertReading(raw)
		out.Limit = &l
	}
	switch {
	case got.Above_UNR || got.Above_UCR:
		out.Level = health.Critical
		limit(full.UCR_Raw)
	case got.Below_LNR || got.Below_LCR:
		out.Level = health.Critical
		limit(full.LCR_Raw)
	case got.Above_UNC:
		out.Level = health.Warning
		limit(full.UNC_Raw)
	case got.Below_LNC:
		out.Level = health.Warning
		limit(full.LNC_Raw)
	}
	return out, true
}

// records are the repository's full sensor records of threshold sensors, read once in a session: they change with the BMC's firmware.
func (h healthPart) records(ctx context.Context) ([]*types.SDR, error) {
	h.s.sdrMu.Lock()
	known, read := h.s.sdr, h.s.sdrRead
	h.s.sdrMu.Unlock()
	if read {
		return known, nil
	}
	var out []*types.SDR
	next := uint16(0)
	for range maxSensors {
		var record *types.SDR
		err := h.s.call(ctx, func(ctx context.Context, c *client.Client) (err error) {
			got, err := c.GetSDR(ctx, next)
			if err != nil {
				return err
			}
			next = got.NextRecordID
			if record, err = types.ParseSDR(got.RecordData, next); err != nil {
				record = nil // a record that is not understood is no sensor of ours
			}
			return nil
		})
		if answered(err) && len(out) == 0 {
			break // no repository, or an empty one
		}
		if err != nil {
			return nil, err
		}
		if record != nil && record.Full != nil && record.Full.SensorEventReadingType.IsThreshold() && record.HasAnalogReading() {
			out = append(out, record)
		}
		if next == lastRecord || next == 0 {
			break
		}
	}
	h.s.sdrMu.Lock()
	defer h.s.sdrMu.Unlock()
	h.s.sdr, h.s.sdrRead = out, true
	return out, nil
}

// lastRecord is what the last record names as its next.
const lastRecord = 0xffff

// Log implements bmc.Health. The newest record is asked for first; records are handles that need not be in a row, so that a log that cannot be walked back is walked from its beginning.
func (h healthPart) Log(ctx context.Context, most int) ([]health.Entry, error) {
	out, err := h.log(ctx, most)
	return out, h.s.wrap("read event log", err)
}

// maxLog bounds a walk; logs hold some hundreds of records.
const maxLog = 1024

func (h healthPart) log(ctx context.Context, most int) ([]health.Entry, error) {
	if most <= 0 {
		return nil, nil
	}
	newest, err := h.entry(ctx, lastRecord)
	if answered(err) || newest == nil && err == nil {
		return nil, nil // an empty log answers that the record is not present
	}
	if err != nil {
		return nil, err
	}
	out := []health.Entry{newest.Entry}
	for id := newest.id - 1; id > 0 && len(out) < most; id-- {
		e, err := h.entry(ctx, id)
		if answered(err) {
			return h.walk(ctx, most)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e.Entry)
	}
	return out, nil
}

// walk reads the whole log.
func (h healthPart) walk(ctx context.Context, most int) ([]health.Entry, error) {
	var out []health.Entry
	next := uint16(0)
	for range maxLog {
		e, err := h.entry(ctx, next)
		if err != nil {
			return nil, err
		}
		out = append(out, e.Entry)
		if e.next == lastRecord || e.next == next {
			break
		}
		next = e.next
	}
	slices.Reverse(out)
	return out[:min(len(out), most)], nil
}

// entry is one record with its handle and the next one's.
type entry struct {
	health.Entry
	id, next uint16
}

func (h healthPart) entry(ctx context.Context, id uint16) (*entry, error) {
	var out *entry
	err := h.s.call(ctx, func(ctx context.Context, c *client.Client) error {
		got, err := c.GetSELEntry(ctx, 0, id)
		if err != nil {
			return err
		}
		out, err = entryOf(got.Data, got.NextRecordID)
		return err
	})
	return out, err
}

// entryOf reads a record (§32). Records of makers' own formats are shown as bytes.
func entryOf(data []byte, next uint16) (*entry, error) {
	sel, err := types.ParseSEL(data)
	if err != nil {
		return nil, &fault{step.Internal, fmt.Sprintf("an event log record that cannot be read: %v", err), ""}
	}
	e := &entry{id: sel.RecordID, next: next}
	e.ID, e.Level = strconv.Itoa(int(sel.RecordID)), health.OK
	switch {
	case sel.Standard != nil:
		s := sel.Standard
		e.At, e.Sensor = timeOf(s.Timestamp), s.SensorType.String()
		e.Message = s.EventString()
		if s.EventDir {
			e.Message += " (over)"
		}
		e.Level = levelOf(s.EventSeverity(), bool(s.EventDir))
	case sel.OEMTimestamped != nil:
		e.At, e.Message = timeOf(sel.OEMTimestamped.Timestamp), fmt.Sprintf("record of maker %d: %x", sel.OEMTimestamped.ManufacturerID, sel.OEMTimestamped.OEMDefined)
	default:
		e.Message = fmt.Sprintf("record of the maker's own: %x", data[3:])
	}
	return e, nil
}

// levelOf: an event that is over is no reason for anything.
func levelOf(s types.EventSeverity, over bool) health.Level {
	switch {
	case over:
		return health.OK
	case s == types.EventSeverityCritical || s == types.EventSeverityDegraded:
		return health.Critical
	case s == types.EventSeverityWarning:
		return health.Warning
	default:
		return health.OK
	}
}

// timeOf: times before the clock was set count from the BMC's start (§37.1).
func timeOf(t time.Time) time.Time {
	if t.Unix() < 0x20000000 {
		return time.Time{}
	}
	return t.UTC()
}
