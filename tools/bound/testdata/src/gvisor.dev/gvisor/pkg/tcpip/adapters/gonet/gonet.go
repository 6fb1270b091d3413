package gonet

func ListenTCP() {}

type TCPListener struct{}

func (*TCPListener) Close() {}
