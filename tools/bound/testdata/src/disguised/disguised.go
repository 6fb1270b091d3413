package disguised

import (
	. "crypto/tls"
	n "net"
	"net/http"
)

type dialer = n.Dialer // want `net\.Dialer opens`

type own n.Dialer // want `net\.Dialer opens`

type inside struct {
	n.ListenConfig // want `net\.ListenConfig opens`
}

var listen = n.Listen // want `net\.Listen opens`

func values(i inside) {
	f := n.Dial // want `net\.Dial opens`
	f("tcp", "x:1")
	i.Listen(nil, "tcp", ":1") // want `net\.ListenConfig\.Listen opens`
	method := i.ListenPacket   // want `net\.ListenConfig\.ListenPacket opens`
	_ = method
	_ = (*http.Server).ListenAndServe // want `net/http\.Server\.ListenAndServe opens`
	Dial("tcp", "x:1", nil)           // want `crypto/tls\.Dial opens`
	local := func(Listen string) string { return Listen }
	local("the name of a variable is nobody's")
}
