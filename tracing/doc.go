// Package tracing makes spans of what a host's record says was done: a trace for each stage of work (inspection, preparation, provisioning, deprovisioning …), its steps below it, and the first
// boot of what was provisioned.
//
// It owns which moments end a trace, the spans' names, their attributes, and their identities. It refuses to send them, which is package internal/driver/otlp, and to measure: all times are the
// record's, whose resolution is a second.
//
// The shape: Ended compares the record before a write with the one after, so that a span is made where the record says that something ended, and by whoever wrote that. Identities are derived
// from the host's UID and the time that a stage began, so that the first boot, which another process may hear of hours later, joins the trace that it belongs to, and a span that is sent twice is
// the same span.
//
// Invariants: every span lies in a trace whose root is a stage of work; a span ends no earlier than it begins; nothing that a Secret holds, and no query of an image's URL, which may hold
// credentials, is in a span; the same two records give the same spans.
package tracing
