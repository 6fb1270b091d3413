package bound

import (
	"go/types"
	"strings"
)

// opener is what opens a socket in one package. Names are of functions and variables; a name with a dot is a method; every function for "*".
type opener struct {
	path  string
	names []string
	// wholes are types of which each mention counts, and each method.
	wholes []string
}

// openers are searched by package path. A path without its major version's element is listed as it is imported.
var openers = []opener{
	{
		path: "net",
		names: []string{
			"Listen", "ListenPacket", "ListenTCP", "ListenUDP", "ListenIP", "ListenMulticastUDP", "ListenUnix", "ListenUnixgram",
			"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "FileConn", "FileListener", "FilePacketConn", "DefaultResolver",
			// Names are asked of a server: DNS is a flow.
			"LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupNS", "LookupSRV", "LookupTXT",
			"ResolveIPAddr", "ResolveTCPAddr", "ResolveUDPAddr",
		},
		wholes: []string{"Dialer", "ListenConfig", "Resolver"},
	},
	{path: "crypto/tls", names: []string{"Listen", "Dial", "DialWithDialer"}, wholes: []string{"Dialer"}},
	{
		path: "net/http",
		names: []string{
			"ListenAndServe", "ListenAndServeTLS", "Server.ListenAndServe", "Server.ListenAndServeTLS",
			"Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport",
		},
	},
	{path: "net/http/httptest", names: []string{"NewServer", "NewTLSServer", "NewUnstartedServer"}},
	{path: "net/http/httputil", names: []string{"NewSingleHostReverseProxy"}},
	{path: "net/rpc", names: []string{"Dial", "DialHTTP", "DialHTTPPath"}},
	{path: "net/rpc/jsonrpc", names: []string{"Dial"}},
	{path: "net/smtp", names: []string{"Dial", "SendMail"}},
	{path: "log/syslog", names: []string{"Dial", "New", "NewLogger"}},
	{path: "syscall", names: []string{"Socket", "Socketpair", "SYS_SOCKET", "SYS_SOCKETPAIR"}},
	{path: "golang.org/x/sys/unix", names: []string{"Socket", "Socketpair", "SYS_SOCKET", "SYS_SOCKETPAIR"}},
	{path: "golang.org/x/net/icmp", names: []string{"ListenPacket"}},
	{path: "golang.org/x/crypto/ssh", names: []string{"Dial"}},
	{path: "github.com/gorilla/websocket", names: []string{"DefaultDialer"}},
	{path: "golang.org/x/net/proxy", names: []string{"*"}},
	{path: "golang.org/x/net/websocket", names: []string{"Dial", "DialConfig"}},
	{path: "google.golang.org/grpc", names: []string{"Dial", "DialContext", "NewClient"}},
	{path: "gvisor.dev/gvisor/pkg/tcpip/adapters/gonet", names: []string{"*"}},
	{path: "github.com/mdlayher/packet", names: []string{"Listen"}},
	{path: "github.com/mdlayher/socket", names: []string{"*"}},
	{path: "github.com/mdlayher/ndp", names: []string{"Listen", "Dial"}},
	{path: "github.com/insomniacslk/dhcp/dhcpv4/nclient4", names: []string{"New", "NewRawUDPConn"}},
	{path: "github.com/insomniacslk/dhcp/dhcpv4/client4", names: []string{"*"}},
	{path: "github.com/insomniacslk/dhcp/dhcpv4/server4", names: []string{"NewServer", "NewIPv4UDPConn"}},
	{path: "github.com/insomniacslk/dhcp/dhcpv6/nclient6", names: []string{"New", "NewIPv6UDPConn"}},
	{path: "github.com/insomniacslk/dhcp/dhcpv6/server6", names: []string{"NewServer", "NewIPv6UDPConn"}},
	{path: "github.com/pin/tftp/v3", names: []string{"NewClient", "Server.ListenAndServe"}},
	{path: "github.com/stmcginnis/gofish", names: []string{"Connect", "ConnectContext", "ConnectDefault", "ConnectDefaultContext"}},
	{path: "github.com/jackc/pgx/v5", names: []string{"Connect", "ConnectWithOptions"}},
	{path: "github.com/jackc/pgx/v5/pgconn", names: []string{"Connect", "ConnectWithOptions"}},
	{path: "github.com/jackc/pgx/v5/pgxpool", names: []string{"*"}},
	{path: "go.etcd.io/etcd/server/v3/embed", names: []string{"StartEtcd"}},
	// The drivers know nothing of flows: they are reached through a socket.Bound.
	{path: Module + "/internal/driver/socket", names: []string{"Network.Listen", "Network.ListenPacket", "Network.ListenRouter", "Network.Dial"}},
	{path: Module + "/internal/driver/socket/kernel", names: []string{"Network.Listen", "Network.ListenPacket", "Network.ListenRouter", "Network.Dial"}},
	{path: Module + "/internal/driver/socket/netstack", names: []string{"Network.Listen", "Network.ListenPacket", "Network.ListenRouter", "Network.Dial"}},
	{path: "go.etcd.io/etcd/client/v3", names: []string{"New", "NewFromURL", "NewFromURLs"}},
}

// opens says how an object that opens sockets is called; empty for every other one.
func opens(obj types.Object) string {
	if obj.Pkg() == nil {
		return ""
	}
	for _, o := range openers {
		if o.path == obj.Pkg().Path() {
			return o.opens(obj)
		}
	}
	return ""
}

func (o opener) opens(obj types.Object) string {
	name, receiver := obj.Name(), receiverOf(obj)
	if receiver != "" {
		name = receiver + "." + name
	}
	switch obj.(type) {
	case *types.TypeName:
		return o.named(o.wholes, name)
	case *types.Func:
		if receiver != "" && contains(o.wholes, receiver) {
			return o.path + "." + name
		}
		if receiver == "" && contains(o.names, "*") {
			return o.path + "." + name
		}
	case *types.Var:
		if obj.Parent() != obj.Pkg().Scope() {
			return "" // a field or a local variable with the name of a global one
		}
	}
	return o.named(o.names, name)
}

func (o opener) named(list []string, name string) string {
	if contains(list, name) {
		return o.path + "." + name
	}
	return ""
}

// receiverOf is the name of a method's type; empty for what is no method.
func receiverOf(obj types.Object) string {
	f, ok := obj.(*types.Func)
	if !ok {
		return ""
	}
	receiver := f.Signature().Recv()
	if receiver == nil {
		return ""
	}
	if n := namedOf(receiver.Type()); n != nil {
		return n.Obj().Name()
	}
	return ""
}

// namedOf is the defined type behind pointers and aliases; nil where there is none.
func namedOf(t types.Type) *types.Named {
	if t == nil {
		return nil
	}
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	n, _ := t.(*types.Named)
	return n
}

// nameOf is a defined type's name with its package's path.
func nameOf(t types.Type) string {
	n := namedOf(t)
	if n == nil || n.Obj().Pkg() == nil {
		return ""
	}
	return n.Obj().Pkg().Path() + "." + n.Obj().Name()
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

// under says whether a path is one of a folder's, or the folder itself.
func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
