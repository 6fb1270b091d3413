package disguised

import "net"

func inTests() { net.Dial("tcp", "x:1") }
