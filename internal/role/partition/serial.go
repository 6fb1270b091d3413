package partition

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
	"github.com/ingotmetal/ingot/step"
)

// serials opens the serial console of a BMC. It is *bmc.Pool.
type serials interface {
	Serial(ctx context.Context, t bmc.Target) (bmc.Serial, error)
}

// serialBytes is how much is read from a console at a time.
const serialBytes = 4096

// serial gives the console role a machine's serial console: bytes in both directions over a WebSocket, and what went wrong as its last message. People are not let in here: who may see
// what, and for how long, is the console role's to decide, and this right is its own.
func (o *operatorAPI) serial(w http.ResponseWriter, r *http.Request) {
	opening, cancel := context.WithTimeout(r.Context(), operatorTimeout)
	defer cancel()
	key, ok := o.admit(opening, w, r, "create", "serial")
	if !ok {
		return
	}
	target, err := o.hosts.Target(opening, key)
	if err == nil && target.Address == "" {
		err = host.ErrNoHost
	}
	if errors.Is(err, host.ErrNoHost) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	conn, err := (&websocket.Upgrader{HandshakeTimeout: wire.Patience}).Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = conn.Close() }()
	opened, err := o.serials.Serial(opening, target)
	if err != nil {
		o.endSerial(conn, key.String(), err)
		return
	}
	defer func() { _ = opened.Close() }()
	defer context.AfterFunc(r.Context(), func() { _ = conn.Close() })()
	o.log.Info("serial console opened", "machine", key.String())
	o.endSerial(conn, key.String(), carry(conn, opened))
}

// endSerial says how it ended.
func (o *operatorAPI) endSerial(conn *websocket.Conn, machine string, err error) {
	if err == nil {
		o.log.Info("serial console closed", "machine", machine)
		return
	}
	f := bmc.FailureOf(err)
	o.log.Warn("serial console ended", "machine", machine, "err", err)
	text := f.Message
	if f.Fix != "" {
		text += "; " + f.Fix
	}
	final := f.Kind == step.Unsupported || f.Kind == step.Invalid || f.Kind == step.Denied
	_ = wire.Send(conn, wire.Message{Type: wire.End, Text: text, Reason: string(f.Kind), Final: final}) // a peer that is gone needs no word
}

// carry moves bytes until either side ends; nil where the console role did.
func carry(conn *websocket.Conn, opened bmc.Serial) error {
	wire.Alive(conn)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = opened.Close() }()
		for {
			p, _, err := wire.Read(conn)
			if err != nil {
				return
			}
			if _, err := opened.Write(p); err != nil {
				return
			}
		}
	}()
	beats := time.NewTicker(wire.Beat)
	defer beats.Stop()
	go func() {
		for {
			select {
			case <-beats.C:
				_ = wire.Ping(conn) // the read fails where this did
			case <-ended:
				return
			}
		}
	}()
	buffer := make([]byte, serialBytes)
	for {
		n, err := opened.Read(buffer)
		if n > 0 && wire.SendBytes(conn, buffer[:n]) != nil {
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
