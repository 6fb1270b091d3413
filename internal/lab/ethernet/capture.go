package ethernet

import (
	"encoding/binary"
	"io"
	"time"
)

// capture writes the classic pcap format with microseconds (draft-ietf-opsawg-pcap), link type 1 (Ethernet). After a write error it is silent: a full
// disk must not stop the network.
type capture struct {
	w      io.Writer
	failed bool
}

func newCapture(w io.Writer) (*capture, error) {
	h := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = binary.LittleEndian.AppendUint64(h, 0)
	h = binary.LittleEndian.AppendUint32(h, 262144)
	h = binary.LittleEndian.AppendUint32(h, 1)
	if _, err := w.Write(h); err != nil {
		return nil, err
	}
	return &capture{w: w}, nil
}

func (c *capture) write(frame []byte, now time.Time) {
	if c.failed {
		return
	}
	r := make([]byte, 0, 16+len(frame))
	r = binary.LittleEndian.AppendUint32(r, uint32(now.Unix()))
	r = binary.LittleEndian.AppendUint32(r, uint32(now.Nanosecond()/1000))
	r = binary.LittleEndian.AppendUint32(r, uint32(len(frame)))
	r = binary.LittleEndian.AppendUint32(r, uint32(len(frame)))
	if _, err := c.w.Write(append(r, frame...)); err != nil {
		c.failed = true
	}
}
