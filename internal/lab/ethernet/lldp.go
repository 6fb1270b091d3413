package ethernet

import "encoding/binary"

// TLV types and subtypes of IEEE 802.1AB-2016, clause 8.
const (
	lldpEtherType = 0x88cc

	tlvEnd        = 0
	tlvChassisID  = 1
	tlvPortID     = 2
	tlvTTL        = 3
	tlvPortText   = 4
	tlvSystemName = 5
	tlvOrganized  = 127

	chassisIsMAC    = 4
	portIsInterface = 5
	ttlSeconds      = 120

	untaggedVLAN = 1
	vlanName     = "lab"
	maxFrame     = 1518
)

// lldpMulticast is the nearest bridge group address (802.1AB table 7-1).
var lldpMulticast = MAC{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}

// announcement is the port's LLDP frame.
func (p *Port) announcement() []byte {
	o := p.sw.options
	frame := make([]byte, 0, 128)
	frame = append(frame, lldpMulticast[:]...)
	frame = append(frame, o.ChassisID[:]...)
	frame = binary.BigEndian.AppendUint16(frame, lldpEtherType)
	frame = appendTLV(frame, tlvChassisID, append([]byte{chassisIsMAC}, o.ChassisID[:]...))
	frame = appendTLV(frame, tlvPortID, append([]byte{portIsInterface}, p.name...))
	frame = appendTLV(frame, tlvTTL, []byte{0, ttlSeconds})
	frame = appendTLV(frame, tlvPortText, []byte(p.name))
	frame = appendTLV(frame, tlvSystemName, []byte(o.Name))
	// VLAN name of 802.1Q annex D, and maximum frame size of 802.3 clause 79: an untagged network with ordinary frames.
	frame = appendTLV(frame, tlvOrganized, append([]byte{0x00, 0x80, 0xc2, 1}, 0, untaggedVLAN))
	frame = appendTLV(frame, tlvOrganized, append([]byte{0x00, 0x80, 0xc2, 3, 0, untaggedVLAN, byte(len(vlanName))}, vlanName...))
	frame = appendTLV(frame, tlvOrganized, binary.BigEndian.AppendUint16([]byte{0x00, 0x12, 0x0f, 4}, maxFrame))
	frame = appendTLV(frame, tlvEnd, nil)
	for len(frame) < 60 {
		frame = append(frame, 0)
	}
	return frame
}

// appendTLV appends a type of 7 bits, a length of 9 bits and the value, cut to what the length can say.
func appendTLV(b []byte, kind int, value []byte) []byte {
	if len(value) > 255 {
		value = value[:255]
	}
	b = binary.BigEndian.AppendUint16(b, uint16(kind)<<9|uint16(len(value)))
	return append(b, value...)
}
