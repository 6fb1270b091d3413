// Package host is the controller of BareMetalHosts: it gathers the facts of one host, asks the pure decision (lifecycle.Decide), writes the objects and does at most one
// action, again and again.
//
// It owns the order of those four, the translation of actions into calls of a BMC and of the API, and what a process remembers between two looks (memory, agentbook). It
// refuses decisions: no `if state == …` that moves a host stands here. It also refuses transport: agents' requests come in as Report and Wanted, BMCs as the contract of
// internal/driver/bmc.
//
// The shape: facts.go gathers, reconciler.go is the loop, write.go brings a decision into the objects, act.go has one arm per action, bmcaction.go works on a BMC's session,
// steps.go builds what an agent is told, agents.go hears agents, firstboot.go hears installed systems, secrets.go reads Secrets.
//
// Actions on a BMC take seconds, so they run beside the work queue (hands); a host with one under way is not decided on. Everything else is done within the
// look. Nothing here waits: a look ends, and the next one is due at the outcome's next attempt, when an action ended, when the agent said something new, or when the host was edited.
//
// Invariants: intent is in the objects before the action begins; nothing in memory is needed after a restart; a step that writes to a disk is handed out only
// after the host and its record were read from the API server itself, at that moment, and still want it (steps.go); an outcome of an agent is in the objects before the agent is
// given anything else to do; nothing is written that did not change.
package host
