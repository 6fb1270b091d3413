// Package local opens nothing that leaves the machine.
package local

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

const (
	proto  = "un" + "ix"
	family = unix.AF_UNIX + 15
)

func fine(ctx context.Context) {
	net.Listen("unix", "/s")
	net.Dial(proto, "/s")
	net.DialUnix("unix", nil, nil)
	new(net.ListenConfig).Listen(ctx, "unixpacket", "/s")
	(&net.Dialer{Timeout: 1}).DialContext(ctx, proto, "/s")
	var d net.Dialer
	d.DialContext(ctx, "unix", "/s")
	d.Dial("unix", "/t")
	lc := net.ListenConfig{}
	lc.Listen(ctx, "unix", "/s")
	unix.Socket(family, 1, 0)
	unix.Socketpair(unix.AF_UNIX, 1, 0)
}

func mixed(ctx context.Context, network string) {
	var d net.Dialer // want `net\.Dialer opens`
	d.DialContext(ctx, "unix", "/s")
	d.DialContext(ctx, "tcp", "x:1") // want `net\.Dialer\.DialContext opens`
	net.Listen(network, "/s")        // want `net\.Listen opens`
	lc := net.ListenConfig{}         // want `net\.ListenConfig opens`
	lc.Listen(ctx, "unix", "/s")
	escape(lc)
}

func escape(any) {}
