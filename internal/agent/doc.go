// Package agent is the program that works in a machine's memory: it enrols with the partition role, asks what is wanted, does one typed step at
// a time and tells how far it is.
//
// It owns the conversation (token for certificate, exchange, renewal, log lines, clock), the rule that a step ID never runs twice, and the steps themselves on top
// of the contracts below. It refuses the hardware: what a machine is made of comes in as Hardware, so that the lab's simulated machines run this very code
// over file-backed disks. It refuses decisions: which step comes next is the partition role's to say. It listens on nothing.
//
// The shape is one loop that always states everything the agent is at, and one goroutine for the running step. Losing an answer, an endpoint that is away for
// hours, or an endpoint that was replaced all look the same: the next exchange states the same again. Outcomes are remembered for the life of the process, so that
// a repeated step ID is answered and not run.
//
// Invariants: at most one step runs at any time; a step ID runs at most once; after an answer with Superseded no step starts any more and the machine
// is turned off; the token and the key never leave memory except in the enrolment request (the key never).
package agent
