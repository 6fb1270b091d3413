package simulated

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// dialFunc opens a TCP connection.
type dialFunc func(ctx context.Context, address string) (net.Conn, error)

// loopback is the cable of a machine that is on no switch: the kernel's sockets.
func loopback(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

const (
	// leasePatience is how long a client without an answer goes on asking before the next boot device has its turn.
	leasePatience = 15 * time.Second
	fetchPatience = 30 * time.Second
	maxScript     = 64 << 10
)

// plug attaches the machine's end of the cable to the switch. The stream is the caller's to close.
func (m *Machine) plug(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	for {
		err := m.config.Port.Attach(near)
		if err == nil {
			return far, nil
		}
		// The stream before this one may still be on its way out.
		if pause(ctx, 5*time.Millisecond) != nil {
			return nil, errors.Join(err, near.Close(), far.Close())
		}
	}
}

// lease asks for an address as one kind of client.
func (m *Machine) lease(ctx context.Context, c client) (*dhcpv4.DHCPv4, error) {
	ctx, cancel := context.WithTimeout(ctx, leasePatience)
	defer cancel()
	conn, err := m.plug(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return c.ask(ctx, conn)
}

// online gives a way to dial for as long as release is not called: an address by DHCP where the machine is on a switch.
func (m *Machine) online(ctx context.Context) (dial dialFunc, release func(), err error) {
	if m.config.Port == nil {
		return loopback, func() {}, nil
	}
	ack, err := m.lease(ctx, plainClient(m.mac()))
	if err != nil {
		return nil, nil, fmt.Errorf("DHCP: %w", err)
	}
	return m.configure(ctx, ack)
}

// configure makes a host with the leased address.
func (m *Machine) configure(ctx context.Context, ack *dhcpv4.DHCPv4) (dialFunc, func(), error) {
	address, err := leaseOf(ack)
	if err != nil {
		return nil, nil, err
	}
	host, err := netstack.OpenOver(netstack.Spec{Socket: m.config.Port.Name(), MAC: m.mac(), Address: address}, m.plug, m.log) // the host lives until release
	if err != nil {
		return nil, nil, err
	}
	if err := host.WaitLinked(ctx); err != nil {
		return nil, nil, errors.Join(err, host.Close())
	}
	m.console.printf("eth0: %s\n", address)
	dial := func(ctx context.Context, to string) (net.Conn, error) { return host.Dial(ctx, "tcp", to) }
	return dial, func() { _ = host.Close() }, nil
}

func (m *Machine) mac() net.HardwareAddr {
	mac, err := net.ParseMAC(m.config.Inventory.NICs[0].MAC)
	if err != nil {
		return nil
	}
	return mac
}

// bootNetwork is the firmware's network boot as far as the boot archive: firmware asks for its loader, the loader asks for its script, the script names the archive. The
// loader itself, the kernel and the ramdisk are not fetched: what they would do is done here.
func (m *Machine) bootNetwork(ctx context.Context) ([]byte, error) {
	if m.config.Port == nil {
		return nil, errors.New("network boot: no cable")
	}
	offer, err := m.lease(ctx, firmwareClient(m.mac()))
	if err != nil {
		return nil, fmt.Errorf("network boot: %w", err)
	}
	if offer.BootFileNameOption() == "" && offer.BootFileName == "" {
		return nil, errors.New("network boot: the offer names no boot file")
	}
	ack, err := m.lease(ctx, ipxeClient(m.mac()))
	if err != nil {
		return nil, fmt.Errorf("network boot: %w", err)
	}
	dial, release, err := m.configure(ctx, ack)
	if err != nil {
		return nil, fmt.Errorf("network boot: %w", err)
	}
	defer release()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, to string) (net.Conn, error) { return dial(ctx, to) }}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: fetchPatience}
	script, err := fetch(ctx, client, bootFile(ack), maxScript)
	if err != nil {
		return nil, fmt.Errorf("network boot: %w", err)
	}
	url, err := archiveURL(script)
	if err != nil {
		return nil, fmt.Errorf("network boot: %w", err)
	}
	return fetch(ctx, client, url, medium.Size)
}

func bootFile(ack *dhcpv4.DHCPv4) string {
	if name := ack.BootFileNameOption(); name != "" {
		return name
	}
	return ack.BootFileName
}

func fetch(ctx context.Context, client *http.Client, url string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", url, answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", url, limit)
	}
	return body, err
}

// archiveURL finds the boot archive's address in an iPXE script.
func archiveURL(script []byte) (string, error) {
	if !bytes.HasPrefix(script, []byte("#!ipxe")) {
		return "", errors.New("the boot file is no iPXE script")
	}
	for lines := bufio.NewScanner(bytes.NewReader(script)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) >= 4 && words[0] == "initrd" && words[1] == "--name" && words[2] == netboot.FileArchive {
			return words[3], nil
		}
	}
	return "", fmt.Errorf("the iPXE script names no %s", netboot.FileArchive)
}
