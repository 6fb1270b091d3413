// Package kernel is a place that opens sockets: nothing is reported.
package kernel

import "net"

func Listen() (net.Listener, error) { return net.Listen("tcp", ":0") }

type Network struct{}

func (Network) Dial() {}
