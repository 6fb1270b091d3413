// Package sitefirewall proves the way from a CommunicationMatrix object to what real connections meet, with nothing replaced: the API server, the controller role and two
// hosts' ingot-node are processes of the built programs, each in a network namespace, on one cable. It needs root.
//
// It owns the story that crosses all parts: enrolment, trial, confirmation by the controller's own connection, a change, a lock-out, drift, metrics, the loss of the API server, a
// boot without it. It refuses what one part's tests show alone.
package sitefirewall
