// Package agentapi is the partition role's side of internal/agent/protocol: an http.Handler that lets agents in, hands them the step that is wanted, takes their log
// lines and takes the provisioned system's own report.
//
// It owns who is let in (one-time token, one key per boot, client certificates that name the boot), the bounds of every request, the rate of failed
// enrolments, the long poll, and which of two overtaking requests counts. It refuses storage and decisions: windows, wanted steps and logs come in as the
// small interfaces of contract.go, which the partition role implements over the API objects. It refuses sockets too: Server.HTTPServer is served on a listener that
// the role opened by the flows agent-to-partition and machine-to-partition-first-boot.
//
// A caller without a certificate learns nothing but "refused": not whether a boot exists, whether its window is open or whether its token was used. The reason is
// logged here.
//
// Invariants: one window is redeemed by at most one key, ever; an exchange or log request is only answered over a connection whose certificate names the boot of the
// request and has not run out; tokens are compared as hashes in constant time; no body is read beyond its bound.
package agentapi
