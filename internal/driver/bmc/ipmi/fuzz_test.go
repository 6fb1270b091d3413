package ipmi

import (
	"bytes"
	"testing"

	"github.com/bougou/go-ipmi/pkg/command/sensor"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/health"
)

// FuzzLogEntry: any record is an entry with its number, or an error.
func FuzzLogEntry(f *testing.F) {
	f.Add([]byte{0x11, 0, 2, 0x60, 0x8e, 0x84, 0x6a, 0x20, 0, 4, 1, 1, 0x01, 0x59, 98, 90})
	f.Add([]byte{0x12, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 8, 7, 0xef, 0x03, 0xff, 0xff})
	f.Add([]byte{1, 0, 0xc1, 0, 0, 0, 0, 0xa2, 2, 0, 1, 2, 3, 4, 5, 6})
	f.Add([]byte{1, 0, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := entryOf(data, 7)
		if err != nil {
			return
		}
		if e.ID == "" || e.next != 7 || e.Level == health.Unknown || !e.At.IsZero() && e.At.Year() < 1986 {
			t.Errorf("%+v", e)
		}
	})
}

// FuzzSensorRecord: any record with any reading is a sensor, or none.
func FuzzSensorRecord(f *testing.F) {
	full := types.SDRFull{SensorNumber: 1, SensorEventReadingType: types.EventReadingTypeThreshold, UCR_Raw: 90, IDStringTypeLength: 0xc4, IDStringBytes: []byte("Temp")}
	full.M = 1
	f.Add(full.Pack(1), []byte{98, 0xc0, 0x10})
	f.Add(full.Pack(1), []byte{98, 0x20})
	f.Add([]byte{1, 0, 0x51, 1, 0}, []byte{})
	f.Fuzz(func(t *testing.T, record, reading []byte) {
		sdr, err := types.ParseSDR(bytes.Clone(record), 2)
		if err != nil || sdr.Full == nil {
			return
		}
		got := &sensor.GetSensorReadingResponse{}
		if got.Unpack(reading) != nil {
			return
		}
		s, ok := sensorOf(sdr.Full, got)
		if ok && (s.Reading == nil || s.Level == health.Unknown || (s.Level != health.OK) != (s.Limit != nil)) {
			t.Errorf("%+v", s)
		}
	})
}
