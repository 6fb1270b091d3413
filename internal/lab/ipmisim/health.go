package ipmisim

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/handlers"
	"github.com/bougou/go-ipmi/pkg/types"
)

// board is the part of a machine that a BMC watches: sensors with their records (IPMI 2.0 §43.1), and the event log (§31, §32). The library serves the records; reading sensors and the log
// are its callers' business.
type board struct {
	mu sync.Mutex
	// critical is the name of the sensor beyond its limit.
	critical string
	log      []types.SEL
	nextID   uint16
}

// sensorDef is a threshold sensor whose raw byte is its value.
type sensorDef struct {
	number       uint8
	name         string
	kind         types.SensorType
	unit         types.SensorUnitType
	good, bad    uint8
	upper, lower uint8
}

var sensorDefs = []sensorDef{
	{1, "CPU1 Temp", types.SensorTypeTemperature, types.SensorUnitType_DegreesC, 45, 98, 90, 0},
	{2, "Inlet Temp", types.SensorTypeTemperature, types.SensorUnitType_DegreesC, 22, 51, 46, 0},
	{3, "PSU1 Input", types.SensorTypeVoltage, types.SensorUnitType_Volts, 230, 12, 0, 180},
}

// SetCritical puts a sensor beyond its critical limit and writes that into the event log; the empty name brings it back.
func (b *BMC) SetCritical(sensor string) {
	b.board.mu.Lock()
	defer b.board.mu.Unlock()
	was := b.board.critical
	b.board.critical = sensor
	for _, s := range sensorDefs {
		if s.name == was && was != sensor {
			b.board.write(s, true)
		}
		if s.name == sensor && was != sensor {
			b.board.write(s, false)
		}
	}
}

// write is called with mu held. Offset 9 of the threshold events is "upper critical going high", 2 "lower critical going low" (table 42-2).
func (b *board) write(s sensorDef, over bool) {
	offset := uint8(9)
	if s.upper == 0 {
		offset = 2
	}
	b.nextID++
	b.log = append(b.log, types.SEL{RecordID: b.nextID, RecordType: 2, Standard: &types.SELStandard{
		Timestamp: time.Now(), GeneratorID: 0x20, EvMRev: 4, SensorType: s.kind, SensorNumber: types.SensorNumber(s.number), EventDir: types.EventDir(over),
		EventReadingType: types.EventReadingTypeThreshold, EventData: types.EventData{EventData1: 0x50 | offset, EventData2: s.bad, EventData3: s.upper},
	}})
}

// registry is the library's commands, and those of the board.
func (b *board) registry() *handlers.Registry {
	r := handlers.NewRegistry()
	handlers.RegisterAllHandlers(r)
	r.RegisterFunc(types.CommandGetSensorReading, b.readSensor)
	r.RegisterFunc(types.CommandGetSELInfo, b.logInfo)
	r.RegisterFunc(types.CommandGetSELEntry, b.readLog)
	return r
}

const (
	notPresent = types.CompletionCode(0xcb)
	tooShort   = types.CompletionCode(0xc7)
)

// readSensor answers Get Sensor Reading (§35.14).
func (b *board) readSensor(_ context.Context, _ *handlers.HandlerContext, req []byte) ([]byte, types.CompletionCode, error) {
	if len(req) < 1 {
		return nil, tooShort, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range sensorDefs {
		if s.number != req[0] {
			continue
		}
		value, state := s.good, uint8(0)
		if s.name == b.critical {
			value = s.bad
		}
		if s.upper != 0 && value >= s.upper {
			state |= 1 << 4
		}
		if s.lower != 0 && value <= s.lower {
			state |= 1 << 1
		}
		return []byte{value, 0xc0, state}, types.CodeOK, nil
	}
	return nil, notPresent, nil
}

// logInfo answers Get SEL Info (§31.2).
func (b *board) logInfo(context.Context, *handlers.HandlerContext, []byte) ([]byte, types.CompletionCode, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]byte, 14)
	out[0] = 0x51
	binary.LittleEndian.PutUint16(out[1:], uint16(len(b.log))) // a lab's log is short
	binary.LittleEndian.PutUint16(out[3:], 0x1000)
	return out, types.CodeOK, nil
}

// readLog answers Get SEL Entry (§31.5).
func (b *board) readLog(_ context.Context, _ *handlers.HandlerContext, req []byte) ([]byte, types.CompletionCode, error) {
	if len(req) < 6 {
		return nil, tooShort, nil
	}
	id, _, _ := types.UnpackUint16L(req, 2)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.log {
		last := i == len(b.log)-1
		if b.log[i].RecordID != id && (id != 0 || i != 0) && (id != 0xffff || !last) {
			continue
		}
		next := uint16(0xffff)
		if !last {
			next = b.log[i+1].RecordID
		}
		out := make([]byte, 2, 18)
		binary.LittleEndian.PutUint16(out, next)
		return append(out, b.log[i].Pack()...), types.CodeOK, nil
	}
	return nil, notPresent, nil
}

// records implements hal.StorageHAL and hal.SDRStore.
type records struct{}

// FRU implements hal.StorageHAL: there is none.
func (records) FRU() hal.FRUStore { return nil }

// SDR implements hal.StorageHAL.
func (r records) SDR() hal.SDRStore { return r }

// Read implements hal.SDRStore.
func (records) Read(_ context.Context, id uint16) ([]byte, error) {
	for _, s := range sensorDefs {
		if uint16(s.number) != id {
			continue
		}
		full := types.SDRFull{
			GeneratorID: 0x20, SensorNumber: types.SensorNumber(s.number), SensorType: s.kind, SensorEventReadingType: types.EventReadingTypeThreshold, SensorUnit: types.SensorUnit{BaseUnit: s.unit},
			UCR_Raw: s.upper, LCR_Raw: s.lower, SensorMaxReadingRaw: 0xff, IDStringTypeLength: types.TypeLength(0xc0 | len(s.name)), IDStringBytes: []byte(s.name),
		}
		full.M = 1
		return full.Pack(id), nil
	}
	return nil, hal.ErrNotFound
}

// Write implements hal.SDRStore: the records are the board's own.
func (records) Write(context.Context, uint16, []byte) error { return hal.ErrNotSupported }

// Delete implements hal.SDRStore.
func (records) Delete(context.Context, uint16) error { return hal.ErrNotSupported }

// RecordIDs implements hal.SDRStore.
func (records) RecordIDs(context.Context) ([]uint16, error) {
	var ids []uint16
	for _, s := range sensorDefs {
		ids = append(ids, uint16(s.number))
	}
	return ids, nil
}
