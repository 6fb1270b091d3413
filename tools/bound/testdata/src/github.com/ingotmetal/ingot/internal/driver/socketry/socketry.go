// Package socketry has a name that begins like an allowed place's.
package socketry

import "net"

func Listen() (net.Listener, error) { return net.Listen("tcp", ":0") } // want `net\.Listen opens a socket past the matrix`
