// Package bmcevent brings BMCs' events to where they are wanted: to the receivers that BMCEventSubscriptions name, and to our own look at a host.
//
// It owns Metal3's BMCEventSubscription (finalizer, status, the subscription at the BMC), decided by package subscription, and one open stream of events per BMC that has one (Streams), opened
// again as package event says. It refuses what an event means for a host: it has the host looked at, and the look reads.
//
// Invariants: a Secret of headers is read in the subscription's own namespace only; the number of open streams is bounded; events cause looks at the pace of event.Gate, whatever a BMC
// sends; a stream that breaks again and again costs fewer requests than the polling that it would save.
package bmcevent
