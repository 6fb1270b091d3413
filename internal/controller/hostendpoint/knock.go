package hostendpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/matrix"
)

// Dialer opens the connections; *socket.Bound is one.
type Dialer interface {
	Dial(ctx context.Context, flow matrix.FlowName, address string) (net.Conn, error)
}

// Bounds of one dial. A host on the other side of the world answers within half a second; one that is cut off never does.
const (
	knockTimeout = 3 * time.Second
	// bannerMost: RFC 4253 §4.2 allows lines before the banner, each at most 255 bytes with its end.
	bannerLines = 16
	bannerMost  = 255
)

// knock opens a new connection and closes it. With SSH the server must have named itself: some middle boxes answer for any address.
func knock(ctx context.Context, d Dialer, w way) (err error) {
	ctx, cancel := context.WithTimeout(ctx, knockTimeout)
	defer cancel()
	c, err := d.Dial(ctx, matrix.ControllerToNodeManagement, w.address.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if !w.ssh {
		return nil
	}
	deadline, _ := ctx.Deadline()
	if err := c.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("bound the wait for the SSH banner of %s: %w", w.address, err)
	}
	lines := bufio.NewReaderSize(c, bannerMost)
	for range bannerLines {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("wait for the SSH banner of %s, as row %s says: %w", w.address, w.row, err)
		}
		if strings.HasPrefix(string(line), "SSH-") {
			return nil
		}
	}
	return fmt.Errorf("%s sent %d lines and no SSH banner, which row %s says is there", w.address, bannerLines, w.row)
}
