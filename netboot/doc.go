// Package netboot decides what a booting client is told: by DHCP, by proxyDHCP, and by the boot server's files.
//
// It owns three pure questions. Decide: this packet, this window, these settings, this moment; which answer, or which silence? MayFetch: may this address have this
// file of this boot now? Script: what does iPXE run? It refuses packets, sockets and clocks: internal/server decodes, asks and encodes, and decides nothing.
//
// The rule behind all of it: the provisioning network is not trusted, and the only thing that opens it is a boot window, which the partition role makes for one boot of
// one host. Outside of a window there is no answer to anything; a boot file is told only until the boot's token was redeemed; from then on an
// address is renewed and nothing else. What is not answered has a name (Silence), since an unanswered DHCP request is the hardest thing to debug on a site.
//
// Invariants: every decision is a function of its arguments, so two boot servers that hold the same window give the same answer to the same packet; a boot file
// that Decide names is one that Files lists; no text of a user is in any answer or script.
package netboot
