package unix

const (
	AF_UNIX    = 1
	AF_INET    = 2
	AF_INET6   = 10
	AF_NETLINK = 16
	AF_PACKET  = 17
	SYS_SOCKET = 41
)

func Socket(domain, kind, protocol int) (int, error) { return 0, nil }

func Socketpair(domain, kind, protocol int) ([2]int, error) { return [2]int{}, nil }

func Close(fd int) error { return nil }
