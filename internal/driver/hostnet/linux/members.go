package linux

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// buffers hold a transaction of some ten thousand members: the kernel takes one in a single message (sendmsg: message too long, otherwise).
const buffers = 32 << 20

// dial opens a netlink connection to the packet filter of the namespace. CloseLasting ends it.
func (h *Host) dial() (*nftables.Conn, error) {
	c, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(h.descriptor()), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(buffers), c.SetWriteBuffer(buffers))
	}))
	if err != nil {
		return nil, fmt.Errorf("open netlink to nftables: %w (it needs CAP_NET_ADMIN)", err)
	}
	return c, nil
}

// readMembers reads the members of a table's sets and maps, except those that packets fill.
func (h *Host) readMembers(t *listed) error {
	c, err := h.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseLasting() }() // only read
	table := &nftables.Table{Name: t.Name, Family: nftables.TableFamilyINet}
	sets, err := c.GetSets(table)
	if err != nil {
		return fmt.Errorf("list the sets of table %s: %w", t.Name, err)
	}
	for _, s := range sets {
		into := t.Set(s.Name)
		if into == nil {
			continue // anonymous: a part of its rule
		}
		if into.Dynamic = s.Dynamic; s.Dynamic {
			continue
		}
		elements, err := c.GetSetElements(s)
		if err != nil {
			return fmt.Errorf("list the members of set %s of table %s: %w", s.Name, t.Name, err)
		}
		if into.Members, err = members(elements, t.types[s.Name], t.values[s.Name], s.Interval); err != nil {
			return fmt.Errorf("read the members of set %s of table %s: %w", s.Name, t.Name, err)
		}
	}
	return nil
}

// members are elements as text, sorted; value is the type of what a map leads to. An interval stands in the kernel as its first value and the first one behind it.
func members(elements []nftables.SetElement, types []string, value string, interval bool) ([]hostnet.Member, error) {
	slices.SortFunc(elements, func(a, b nftables.SetElement) int {
		return cmp.Or(bytes.Compare(a.Key, b.Key), ordinal(b.IntervalEnd)-ordinal(a.IntervalEnd))
	})
	var all []hostnet.Member
	for i := range elements {
		e := &elements[i]
		if e.IntervalEnd {
			continue
		}
		m := hostnet.Member{Key: keyText(e.Key, types), Expires: e.Expires}
		if interval {
			last := bytes.Repeat([]byte{0xff}, len(e.Key))
			if i+1 < len(elements) {
				last = before(elements[i+1].Key)
			}
			if !bytes.Equal(last, e.Key) {
				m.Key += "-" + keyText(last, types)
			}
		}
		if strings.HasSuffix(value, "_addr") {
			m.Target = partText(e.Val, value)
		} else if len(e.Val) > 0 {
			target, err := verdict(e.Val)
			if err != nil {
				return nil, err
			}
			m.Target = target
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b hostnet.Member) int { return cmp.Compare(a.Key, b.Key) })
	return all, nil
}

func ordinal(b bool) int {
	if b {
		return 1
	}
	return 0
}

// before is the number before a key's.
func before(key []byte) []byte {
	k := slices.Clone(key)
	for i := len(k) - 1; i >= 0; i-- {
		k[i]--
		if k[i] != 0xff {
			break
		}
	}
	return k
}

// keyText is a key in words; each part of a concatenation begins at a multiple of four bytes (nf_tables' registers).
func keyText(key []byte, types []string) string {
	var words []string
	for i, kind := range types {
		size := map[string]int{"ipv4_addr": 4, "ipv6_addr": 16, "inet_service": 2, "inet_proto": 1}[kind]
		if len(types) == 1 {
			size = len(key)
		}
		if size == 0 || size > len(key) {
			return hex.EncodeToString(key)
		}
		words = append(words, partText(key[:size], kind))
		if i < len(types)-1 {
			key = key[min(len(key), (size+3)&^3):]
		}
	}
	return strings.Join(words, " . ")
}

func partText(part []byte, kind string) string {
	switch {
	case kind == "ifname":
		return string(bytes.TrimRight(part, "\x00"))
	case kind == "ipv4_addr" || kind == "ipv6_addr":
		if a, ok := netip.AddrFromSlice(part); ok {
			return a.String()
		}
	case len(part) == 1:
		return strconv.Itoa(int(part[0]))
	case kind == "inet_service" && len(part) == 2:
		return strconv.Itoa(int(binary.BigEndian.Uint16(part)))
	}
	return hex.EncodeToString(part)
}

// verdict is what an element of a verdict map leads to, from the attributes NFTA_VERDICT_CODE and NFTA_VERDICT_CHAIN.
func verdict(data []byte) (string, error) {
	d, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return "", fmt.Errorf("read a verdict: %w", err)
	}
	d.ByteOrder = binary.BigEndian
	word, chain := "", ""
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_VERDICT_CODE:
			code := int32(d.Uint32())
			word = map[int32]string{0: "drop", 1: "accept", unix.NFT_GOTO: "goto ", unix.NFT_JUMP: "jump ", unix.NFT_RETURN: "return", unix.NFT_CONTINUE: "continue"}[code]
			if word == "" {
				word = fmt.Sprint("verdict ", code)
			}
		case unix.NFTA_VERDICT_CHAIN:
			chain = d.String()
		}
	}
	return word + chain, d.Err()
}

// stale turns the kernel's refusal of an element into the contract's words.
func (h *Host) stale(table string, err error) error {
	if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.EEXIST) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("change members in table %s: %w", table, err)
	}
	c, dialErr := h.dial()
	if dialErr != nil {
		return dialErr
	}
	defer func() { _ = c.CloseLasting() }() // only read
	if _, missing := c.ListTableOfFamily(table, nftables.TableFamilyINet); missing != nil {
		return fmt.Errorf("change members in table %s: %w", table, hostnet.ErrNoTable)
	}
	return fmt.Errorf("change members in table %s: %w (%w)", table, hostnet.ErrStale, err)
}

// begin ends a call early when its context is over before it began: netlink calls are short and can't be ended.
func begin(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
