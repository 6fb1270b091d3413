// Package console serves the serial consoles of one site's machines to people: by WebSocket and by SSH, recorded.
//
// It owns the two protocols' endpoints, the sessions on them, certificates for SSH, and the reading of recordings. It refuses to decide who sees what (package console, through gate), to
// share a machine among people (line), and to open sockets: it is given listeners, and a way to the machines' bytes.
//
// Both protocols lead to the same session: somebody is made out, let in by the gate, given a seat at the machine's line, recorded, and put out when the gate says so.
//
// Invariants: nobody is served without a name; a session that cannot be recorded is not shown; what is typed by one who may only look is dropped; what is told to a person who was put out is
// the reason and nothing else.
package console
