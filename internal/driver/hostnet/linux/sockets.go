package linux

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// The states of sockets in /proc/net (include/net/tcp_states.h): listening, and closed, which is what a UDP or raw socket is that is not connected.
const (
	stateListen = 0x0a
	stateClose  = 0x07
)

// tables are the files of /proc/net and what their sockets are.
var tables = []struct {
	name     string
	protocol uint8
	state    uint64
	raw      bool
}{
	{"tcp", 6, stateListen, false}, {"tcp6", 6, stateListen, false},
	{"udp", 17, stateClose, false}, {"udp6", 17, stateClose, false},
	{"udplite", 136, stateClose, false}, {"udplite6", 136, stateClose, false},
	{"raw", 0, stateClose, true}, {"raw6", 0, stateClose, true},
}

// found is a socket with its inode, by which its process is found.
type found struct {
	hostnet.Socket
	inode string
}

// Listening implements hostnet.Sockets. It reads /proc/net and not sock_diag, whose kernel modules a hardened kernel may not load.
func (h *Host) Listening(ctx context.Context) ([]hostnet.Socket, error) {
	var all []found
	err := h.inside(func() error {
		for _, t := range tables {
			text, err := os.ReadFile("/proc/thread-self/net/" + t.name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // the kernel has no such protocol
			}
			if err != nil {
				return fmt.Errorf("list sockets: %w", err)
			}
			sockets, err := parseSockets(text, t.protocol, t.state, t.raw)
			if err != nil {
				return fmt.Errorf("read /proc/net/%s: %w", t.name, err)
			}
			all = append(all, sockets...)
		}
		text, err := os.ReadFile("/proc/thread-self/net/sctp/eps")
		if err != nil {
			return nil //nolint:nilerr // no SCTP in this kernel
		}
		sockets, err := parseSCTP(text)
		if err != nil {
			return fmt.Errorf("read /proc/net/sctp/eps: %w", err)
		}
		all = append(all, sockets...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := name(ctx, all); err != nil {
		return nil, err
	}
	sockets := make([]hostnet.Socket, len(all))
	for i, f := range all {
		sockets[i] = f.Socket
	}
	slices.SortFunc(sockets, func(a, b hostnet.Socket) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), a.Address.Compare(b.Address), cmp.Compare(a.PID, b.PID))
	})
	return sockets, nil
}

// parseSockets reads a file of /proc/net (proc_net_tcp.rst of the kernel): a heading, then a socket a line, of which local address, state, UID and inode
// are wanted. A raw socket's port is its protocol.
func parseSockets(text []byte, protocol uint8, state uint64, raw bool) ([]found, error) {
	var all []found
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for first := true; lines.Scan(); first = false {
		words := strings.Fields(lines.Text())
		if first || len(words) == 0 {
			continue
		}
		if len(words) < 10 {
			return nil, fmt.Errorf("the line %.100q has %d fields, at least 10 were expected", lines.Text(), len(words))
		}
		address, port, _ := strings.Cut(words[1], ":")
		at, err := parseAddress(address)
		number, portErr := strconv.ParseUint(port, 16, 16)
		is, stateErr := strconv.ParseUint(words[3], 16, 8)
		uid, uidErr := strconv.ParseUint(words[7], 10, 32)
		if err := errors.Join(err, portErr, stateErr, uidErr); err != nil {
			return nil, fmt.Errorf("the line %.100q: %w", lines.Text(), err)
		}
		if is != state || number == 0 {
			continue
		}
		s := hostnet.Socket{Protocol: protocol, Address: at, Port: uint16(number), UID: uint32(uid)}
		if raw {
			s.Raw, s.Protocol, s.Port = true, uint8(number), 0
		}
		all = append(all, found{s, words[9]})
	}
	return all, lines.Err()
}

// parseAddress reads an address as the kernel prints it: words of 32 bits in the host's byte order, in hexadecimal.
func parseAddress(text string) (netip.Addr, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.Addr{}, fmt.Errorf("%.40q is no address", text)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return a, nil
}

// parseSCTP reads the endpoints of SCTP: ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS.
func parseSCTP(text []byte) ([]found, error) {
	var all []found
	lines := bufio.NewScanner(bytes.NewReader(text))
	for first := true; lines.Scan(); first = false {
		words := strings.Fields(lines.Text())
		if first || len(words) == 0 {
			continue
		}
		if len(words) < 8 {
			return nil, fmt.Errorf("the line %.100q has %d fields, at least 8 were expected", lines.Text(), len(words))
		}
		port, portErr := strconv.ParseUint(words[5], 10, 16)
		uid, uidErr := strconv.ParseUint(words[6], 10, 32)
		state, stateErr := strconv.ParseUint(words[3], 10, 8)
		if err := errors.Join(portErr, uidErr, stateErr); err != nil {
			return nil, fmt.Errorf("the line %.100q: %w", lines.Text(), err)
		}
		if state != stateListen {
			continue
		}
		for _, local := range words[8:] {
			a, err := netip.ParseAddr(strings.TrimLeft(local, "*"))
			if err != nil {
				return nil, fmt.Errorf("the line %.100q: %w", lines.Text(), err)
			}
			all = append(all, found{hostnet.Socket{Protocol: 132, Address: a, Port: uint16(port), UID: uint32(uid)}, words[7]})
		}
	}
	return all, lines.Err()
}

// name finds the processes: /proc/PID/fd has a link socket:[INODE] for each socket that is open. Processes come and go meanwhile.
func name(ctx context.Context, all []found) error {
	wanted := map[string][]int{}
	for i, f := range all {
		wanted["socket:["+f.inode+"]"] = append(wanted["socket:["+f.inode+"]"], i)
	}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("find the processes of sockets: %w", err)
		}
		open, err := os.ReadDir(folder + "/fd")
		if err != nil {
			continue // ended, or not ours to read
		}
		for _, fd := range open {
			link, err := os.Readlink(folder + "/fd/" + fd.Name())
			if err != nil {
				continue
			}
			for _, i := range wanted[link] {
				if all[i].PID == 0 {
					comm, _ := os.ReadFile(folder + "/comm") // empty where it has just ended
					all[i].Process = strings.TrimSpace(string(comm))
					all[i].PID, _ = strconv.Atoi(filepath.Base(folder)) // digits
				}
			}
		}
	}
	return nil
}
