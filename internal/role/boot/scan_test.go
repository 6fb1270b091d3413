package boot

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/netboot"
)

// silence is how long an answer is listened for after the server said that it gives none.
const silence = 200 * time.Millisecond

// Who scans the provisioning network finds nothing outside of a boot window, though he knows the machine's MAC address, its boot and the files' names; in the window all of it answers.
func TestScannedOutsideABootWindowNothingAnswers(t *testing.T) {
	s := newFirmwareSite(t, artifactsDir(t), ingot.MethodPXE, overIPv4())
	scanner := s.host(t, 50, "172.22.0.50") // the machine's own address, so that it is the window alone that decides
	eventually(t, "the servers are open", func() bool { return len(s.process.provisioning.Listeners()) >= 4 })
	for _, tc := range []struct {
		name    string
		outcome string
		edit    func(w *ingot.BootWindow)
		answers bool
	}{
		{"before", string(netboot.SilentNotOpen), func(w *ingot.BootWindow) { w.Spec.OpensAt = metav1.NewTime(time.Now().Add(30 * time.Minute)) }, false},
		{"after", string(netboot.SilentClosed), func(w *ingot.BootWindow) { w.Spec.ClosesAt = metav1.NewTime(time.Now().Add(-time.Second)) }, false},
		{"after the token was traded", string(netboot.SilentRedeemed), func(w *ingot.BootWindow) { w.Status.RedeemedAt = &w.Spec.OpensAt }, false},
		{"without any", string(netboot.SilentUnknown), nil, false},
		{"in it", "", func(*ingot.BootWindow) {}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, ok := objects(ingot.MethodPXE, overIPv4(), "https://"+overIPv4().partition+":8443", nil)[1].(*ingot.BootWindow)
			if !ok {
				t.Fatal("the second object is no BootWindow")
			}
			if tc.edit == nil {
				s.process.feed.OnDelete(w)
			} else {
				tc.edit(w)
				s.process.feed.OnUpdate(nil, w)
			}
			for server, scan := range map[string]func(*testing.T, *netstack.Network) bool{"dhcp": scanDHCP, "tftp": scanTFTP, "http": scanHTTP} {
				silent := func() float64 { return testutil.ToFloat64(s.process.requests.WithLabelValues(server, tc.outcome)) }
				before := silent()
				if got := scan(t, scanner); got != tc.answers {
					t.Errorf("%s answers: %v, want %v", server, got, tc.answers)
				}
				if !tc.answers {
					// A datagram may be lost; who boots asks again, too.
					eventually(t, server+" took the request and kept silent", func() bool {
						if silent() == before && scan(t, scanner) {
							t.Errorf("%s answers a second request", server)
						}
						return silent() > before
					})
				}
			}
		})
	}
}

func scanDHCP(t *testing.T, n *netstack.Network) bool {
	t.Helper()
	mac, err := netboot.ParseMAC(machineMAC)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dhcpv4.NewDiscovery(mac[:])
	if err != nil {
		t.Fatal(err)
	}
	return answered(t, n, 68, netip.MustParseAddrPort("255.255.255.255:67"), p.ToBytes())
}

func scanTFTP(t *testing.T, n *netstack.Network) bool {
	t.Helper()
	return answered(t, n, 0, netip.MustParseAddrPort(overIPv4().boot+":69"), []byte("\x00\x01"+bootID+"/"+netboot.FileSNPOnly+"\x00octet\x00"))
}

// answered sends a datagram and says whether anything comes back.
func answered(t *testing.T, n *netstack.Network, from uint16, to netip.AddrPort, say []byte) bool {
	t.Helper()
	conn, err := n.ListenPacket(t.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), from), socket.PacketOptions{Broadcast: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.WriteTo(say, net.UDPAddrFromAddrPort(to)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		t.Fatal(err)
	}
	_, _, err = conn.ReadFrom(make([]byte, 2048))
	var timeout net.Error
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && (!errors.As(err, &timeout) || !timeout.Timeout()) {
		t.Fatal(err)
	}
	return err == nil
}

// scanHTTP says whether a byte comes back.
func scanHTTP(t *testing.T, n *netstack.Network) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := n.Dial(ctx, "tcp", overIPv4().boot+":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET /boot/" + bootID + "/" + netboot.FileScript + " HTTP/1.1\r\nHost: scanned\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	got, _ := conn.Read(make([]byte, 1)) // closed, or answered
	return got > 0
}
