package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/matrix"
)

// imagePort is the image server's port on the lab's own network.
const imagePort = 80

// serveImages serves a directory over HTTP, with ranges: the lab's image store.
func (l *Lab) serveImages(listener net.Listener, dir string) {
	server := &http.Server{
		Handler:           http.FileServer(http.Dir(dir)),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("image server ended", "err", err)
		}
	}()
	l.onClose(func() error {
		err := server.Close()
		<-done
		return err
	})
}

// imageStore is the outside party that the matrix has at the other end of the agents' downloads.
func imageStore(n socket.Network) *socket.Bound {
	return socket.Bind(matrix.ImageStore, matrix.Builtin(), n)
}

// startImages opens the image server: where the machines are, on the lab's network or on loopback.
func (l *Lab) startImages(ctx context.Context, before State) error {
	dir := filepath.Join(l.options.DataDir, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	l.state.ImageDir = dir
	if l.options.OnNetwork {
		host, err := l.join(ctx, netstack.Spec{Socket: l.state.SwitchSocket, MAC: roleMAC(ImageAddress), Address: prefixed(ImageAddress)})
		if err != nil {
			return err
		}
		listener, err := imageStore(host).Listen(ctx, matrix.AgentToImageStore, addrPort(ImageAddress, imagePort))
		if err != nil {
			return fmt.Errorf("open the lab's image server: %w", err)
		}
		l.state.ImageURL = "http://" + ImageAddress.String()
		l.serveImages(listener, dir)
		return nil
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	listener, err := imageStore(kernel.Network{}).Listen(ctx, matrix.AgentToImageStore, addrPort(loopback, uint16(before.ImagePort)))
	if err != nil {
		return fmt.Errorf("open the lab's image server at the port that it had before: %w", err)
	}
	l.state.ImagePort = listener.Addr().(*net.TCPAddr).Port
	l.state.ImageURL = "http://" + listener.Addr().String()
	l.serveImages(listener, dir)
	return nil
}
