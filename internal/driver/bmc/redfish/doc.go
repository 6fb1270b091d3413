// Package redfish is the BMC driver for DMTF Redfish (DSP0266, schemas of DSP8010).
//
// It owns what is said to a Redfish service: login, probing, power, boot override, virtual media, inventory, console log, following tasks, and the
// vendors' quirks as a table. It refuses decisions: what to boot, when to try again, and what a failure means for a host are the caller's.
//
// It takes its vocabulary (reset types, boot sources, task states, error bodies) from gofish, but reads resources through its own narrow views. gofish decodes a whole
// resource into one struct, so one unexpected value in a property that nobody asked for loses all of it; its client is bound to one context for
// its life, reads bodies without bound and drops the Location of a task (gofish 0.20.0). The lab's BMC simulator is tested with gofish's own client.
//
// Invariants: every HTTP request, redirects included, takes one call from the BMC's budget first; no request leaves for another host than the
// address names, whatever links and redirects say; a body is read up to a bound; a change of power is sent at most once per call of Do; neither
// password nor session token is in any error or log line.
package redfish
