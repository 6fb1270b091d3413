// Package nodepackage holds the test of ingot-node's Debian package: it builds it, looks at what is in it, and lets the packaged program load and remove rules in a network
// namespace that has rules of somebody else.
package nodepackage
