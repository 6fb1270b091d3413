// Package attacks lists what a neighbour could try, on the provisioning network, in the mesh, at a console or with a certificate of somebody else, and holds each to a test in which it is tried and gets nothing.
//
// It owns the list, and the page docs/attacks.md that is made of it. It refuses to try anything itself: the tests stand beside what they attack, and run with it.
//
// Invariant: each attack names a test that is there, and words that stand in that test's package, so that a step that was removed from it is missed.
package attacks
