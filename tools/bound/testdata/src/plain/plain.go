package plain

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

func listens(ctx context.Context) {
	net.Listen("tcp", ":80")                            // want `net\.Listen opens`
	net.ListenPacket("udp", ":53")                      // want `net\.ListenPacket opens`
	net.ListenTCP("tcp", nil)                           // want `net\.ListenTCP opens`
	net.ListenUDP("udp", nil)                           // want `net\.ListenUDP opens`
	net.ListenMulticastUDP("udp", nil, nil)             // want `net\.ListenMulticastUDP opens`
	new(net.ListenConfig).Listen(ctx, "tcp", ":80")     // want `net\.ListenConfig opens`
	(&net.ListenConfig{}).ListenPacket(ctx, "ip6", ":") // want `net\.ListenConfig opens`
	tls.Listen("tcp", ":443", nil)                      // want `crypto/tls\.Listen opens`
	http.ListenAndServe(":80", nil)                     // want `net/http\.ListenAndServe opens`
	http.ListenAndServeTLS(":80", "", "", nil)          // want `net/http\.ListenAndServeTLS opens`
	s := &http.Server{}
	s.ListenAndServe()          // want `net/http\.Server\.ListenAndServe opens`
	s.ListenAndServeTLS("", "") // want `net/http\.Server\.ListenAndServeTLS opens`
	s.Serve(nil)
	net.FileListener(nil) // want `net\.FileListener opens`
	gonet.ListenTCP()     // want `gonet\.ListenTCP opens`
	new(gonet.TCPListener).Close()
	tls.NewListener(nil, nil)
}

func dials(ctx context.Context, d *tls.Dialer) { // want `crypto/tls\.Dialer opens`
	net.Dial("tcp", "x:1")             // want `net\.Dial opens`
	net.DialTimeout("tcp", "x:1", 1)   // want `net\.DialTimeout opens`
	net.DialUDP("udp", nil, nil)       // want `net\.DialUDP opens`
	tls.Dial("tcp", "x:1", nil)        // want `crypto/tls\.Dial opens`
	d.DialContext(ctx, "tcp", "x:1")   // want `crypto/tls\.Dialer\.DialContext opens`
	http.Get("http://x")               // want `net/http\.Get opens`
	http.Post("http://x", "", nil)     // want `net/http\.Post opens`
	http.DefaultClient.Get("http://x") // want `net/http\.DefaultClient opens`
	_ = http.DefaultTransport          // want `net/http\.DefaultTransport opens`
	grpc.NewClient("x:1")              // want `grpc\.NewClient opens`
	grpc.NewServer()
	var dialer net.Dialer                 // want `net\.Dialer opens`
	dialer.DialContext(ctx, "tcp", "x:1") // want `net\.Dialer\.DialContext opens`
}

func names(ctx context.Context) {
	net.LookupHost("x")                        // want `net\.LookupHost opens`
	net.ResolveTCPAddr("tcp", "x:1")           // want `net\.ResolveTCPAddr opens`
	net.DefaultResolver.LookupHost(ctx, "x")   // want `net\.DefaultResolver opens`
	new(net.Resolver).LookupNetIP(ctx, "", "") // want `net\.Resolver opens`
	net.ParseIP("::1")
	net.JoinHostPort("x", "1")
}

const family = unix.AF_INET6

func raw(which int) {
	unix.Socket(unix.AF_INET, 1, 0)              // want `unix\.Socket opens`
	unix.Socket(family, 1, 0)                    // want `unix\.Socket opens`
	unix.Socket(unix.AF_PACKET, 3, 0)            // want `unix\.Socket opens`
	unix.Socket(which, 1, 0)                     // want `unix\.Socket opens`
	syscall.Socket(syscall.AF_INET, 1, 0)        // want `syscall\.Socket opens`
	syscall.RawSyscall(unix.SYS_SOCKET, 2, 1, 0) // want `unix\.SYS_SOCKET opens`
	unix.Close(which)
}
