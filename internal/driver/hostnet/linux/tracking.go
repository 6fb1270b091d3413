package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// The messages and attributes of connection tracking (linux/netfilter/nfnetlink_conntrack.h).
const (
	messageGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	messageDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2

	ctaTupleOriginal    = 1
	ctaTupleReply       = 2
	ctaStatus           = 3
	ctaTimeout          = 7
	ctaCountersOriginal = 9
	ctaCountersReply    = 10
	ctaID               = 12
	ctaZone             = 18

	// statusSeenReply is bit 1 of the status (linux/netfilter/nf_conntrack_common.h).
	statusSeenReply = 1 << 1
)

// tracked is a flow with what the kernel needs to find it again.
type tracked struct {
	hostnet.Flow
	family             byte
	original, id, zone []byte
}

// attempts is how often a dump is begun again when flows came and went so fast that the kernel calls it inconsistent.
const attempts = 5

// Flows implements hostnet.Tracking.
func (h *Host) Flows(ctx context.Context) ([]hostnet.Flow, error) {
	var flows []hostnet.Flow
	err := h.conntrack(ctx, func(_ *netlink.Conn, all []tracked) error {
		for _, t := range all {
			flows = append(flows, t.Flow)
		}
		return nil
	})
	return flows, err
}

// Cut implements hostnet.Tracking.
func (h *Host) Cut(ctx context.Context, revoked func(hostnet.Flow) bool) ([]hostnet.Flow, error) {
	var cut []hostnet.Flow
	err := h.conntrack(ctx, func(c *netlink.Conn, all []tracked) error {
		for _, t := range all {
			if !revoked(t.Flow) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			err := t.remove(c)
			if errors.Is(err, syscall.ENOENT) {
				continue // it has ended by itself
			}
			if err != nil {
				return fmt.Errorf("cut the flow %s:%d to %s:%d of protocol %d: %w", t.Source, t.SourcePort, t.Destination, t.DestinationPort, t.Protocol, err)
			}
			cut = append(cut, t.Flow)
		}
		return nil
	})
	return cut, err
}

// conntrack lists all flows and gives them to do with the connection.
func (h *Host) conntrack(ctx context.Context, do func(*netlink.Conn, []tracked) error) error {
	if err := begin(ctx, "list tracked flows"); err != nil {
		return err
	}
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: h.descriptor()})
	if err != nil {
		return fmt.Errorf("open netlink to connection tracking: %w (it needs CAP_NET_ADMIN)", err)
	}
	defer func() { _ = c.Close() }() // a socket that is done with
	if err := c.SetReadBuffer(buffers); err != nil {
		return fmt.Errorf("size the netlink buffer: %w", err)
	}
	var messages []netlink.Message
	for range attempts {
		messages, err = c.Execute(netlink.Message{
			Header: netlink.Header{Type: messageGet, Flags: netlink.Request | netlink.Dump}, Data: []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
		})
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("list tracked flows: %w (is the kernel module nf_conntrack_netlink there?)", err)
	}
	all := make([]tracked, 0, len(messages))
	for _, m := range messages {
		t, err := parseTracked(m.Data)
		if err != nil {
			return fmt.Errorf("read a tracked flow: %w", err)
		}
		all = append(all, t)
	}
	return do(c, all)
}

// remove deletes exactly this flow: its tuple names it, and its ID tells it from a later one with the same tuple.
func (t *tracked) remove(c *netlink.Conn) error {
	attributes := []netlink.Attribute{{Type: ctaTupleOriginal | netlink.Nested, Data: t.original}}
	if t.id != nil {
		attributes = append(attributes, netlink.Attribute{Type: ctaID, Data: t.id})
	}
	if t.zone != nil {
		attributes = append(attributes, netlink.Attribute{Type: ctaZone, Data: t.zone})
	}
	data, err := netlink.MarshalAttributes(attributes)
	if err != nil {
		return err
	}
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: messageDelete, Flags: netlink.Request | netlink.Acknowledge}, Data: append([]byte{t.family, unix.NFNETLINK_V0, 0, 0}, data...),
	})
	return err
}

// parseTracked reads one message: the family, two bytes that say nothing, and attributes.
func parseTracked(data []byte) (tracked, error) {
	if len(data) < 4 {
		return tracked{}, fmt.Errorf("a message of %d bytes is too short", len(data))
	}
	t := tracked{family: data[0]}
	d, err := netlink.NewAttributeDecoder(data[4:])
	if err != nil {
		return tracked{}, err
	}
	d.ByteOrder = binary.BigEndian
	var reply hostnet.Flow
	for d.Next() {
		switch d.Type() {
		case ctaTupleOriginal:
			t.original = append([]byte{}, d.Bytes()...)
			d.Nested(tupleInto(&t.Flow))
		case ctaTupleReply:
			d.Nested(tupleInto(&reply))
		case ctaStatus:
			t.Answered = d.Uint32()&statusSeenReply != 0
		case ctaTimeout:
			t.Expires = time.Duration(d.Uint32()) * time.Second
		case ctaCountersOriginal, ctaCountersReply:
			d.Nested(countersInto(&t.Flow))
		case ctaID:
			t.id = append([]byte{}, d.Bytes()...)
		case ctaZone:
			t.zone = append([]byte{}, d.Bytes()...)
		}
	}
	t.ReplySource, t.ReplyDestination = reply.Source, reply.Destination
	if err := d.Err(); err != nil {
		return tracked{}, err
	}
	if !t.Source.IsValid() || !t.Destination.IsValid() {
		return tracked{}, errors.New("it has no addresses")
	}
	return t, nil
}

// tupleInto reads CTA_TUPLE_IP (1) and CTA_TUPLE_PROTO (2).
func tupleInto(f *hostnet.Flow) func(*netlink.AttributeDecoder) error {
	return func(d *netlink.AttributeDecoder) error {
		d.ByteOrder = binary.BigEndian
		for d.Next() {
			switch d.Type() {
			case 1:
				d.Nested(addressesInto(f))
			case 2:
				d.Nested(protocolInto(f))
			}
		}
		return d.Err()
	}
}

// addressesInto reads CTA_IP_V4_SRC (1), V4_DST (2), V6_SRC (3), V6_DST (4).
func addressesInto(f *hostnet.Flow) func(*netlink.AttributeDecoder) error {
	return func(d *netlink.AttributeDecoder) error {
		for d.Next() {
			a, ok := netip.AddrFromSlice(d.Bytes())
			if !ok {
				return fmt.Errorf("an address has %d bytes", len(d.Bytes()))
			}
			switch d.Type() {
			case 1, 3:
				f.Source = a
			case 2, 4:
				f.Destination = a
			}
		}
		return d.Err()
	}
}

// protocolInto reads CTA_PROTO_NUM (1), SRC_PORT (2), DST_PORT (3), ICMP_TYPE (5), ICMP_CODE (6), ICMPV6_TYPE (8), ICMPV6_CODE (9).
func protocolInto(f *hostnet.Flow) func(*netlink.AttributeDecoder) error {
	return func(d *netlink.AttributeDecoder) error {
		d.ByteOrder = binary.BigEndian
		for d.Next() {
			switch d.Type() {
			case 1:
				f.Protocol = d.Uint8()
			case 2:
				f.SourcePort = d.Uint16()
			case 3:
				f.DestinationPort = d.Uint16()
			case 5, 8:
				f.ICMPType = d.Uint8()
			case 6, 9:
				f.ICMPCode = d.Uint8()
			}
		}
		return d.Err()
	}
}

// countersInto adds CTA_COUNTERS_PACKETS (1) and CTA_COUNTERS_BYTES (2).
func countersInto(f *hostnet.Flow) func(*netlink.AttributeDecoder) error {
	return func(d *netlink.AttributeDecoder) error {
		d.ByteOrder = binary.BigEndian
		for d.Next() {
			switch d.Type() {
			case 1:
				f.Packets += d.Uint64()
			case 2:
				f.Bytes += d.Uint64()
			}
		}
		return d.Err()
	}
}
