// Package netconf puts a machine's network into operation for the agent: links up, addresses by DHCP or from network data, a resolver file.
//
// It owns netlink and the DHCP client, and hears LLDP neighbours while it is at it. It refuses the format of network data (internal/agent/netdata) and everything above
// addresses. It listens for replies to its own DHCP requests and for LLDP frames, on packet sockets that it opens by the flows agent-to-dhcp and
// neighbour-to-agent-lldp. The only port of the machine that is ever open is DHCPv6's (546), for replies on the link.
//
// Without network data, every NIC is brought up and asks for a lease, over IPv4 and over IPv6, as soon as it has a link, for as long as the agent lives: which cable leads to the partition role
// is not known, and a switch port may take a minute to forward. A lease is renewed at half its time; one that ends is given up with its address. Over IPv6 the kernel does the rest: what is on the link, and the way out, it hears
// from routers, and where they ask for it, it makes addresses by itself.
//
// Invariants: an address is only on an interface while its lease holds; the default route of the NIC that booted is preferred, then in the order of the interfaces.
package netconf
