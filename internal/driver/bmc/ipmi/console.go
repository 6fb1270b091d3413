package ipmi

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/transport"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// console implements bmc.Console by serial over LAN (IPMI 2.0 §15). It has a login of its own: the payload is the session's for as long as it is watched, and the session's other requests would
// wait for it.
type console struct{ s *session }

const (
	// solInstance is the only one that BMCs have.
	solInstance = 1
	// solPoll is how often what the BMC has sent is acknowledged at most, solLife at least: it sends a packet some seven times, 100 to 500 ms apart (§26.3, parameter 5), and drops it then.
	solPoll = 50 * time.Millisecond
	solLife = 600 * time.Millisecond
	// payloadActive is the completion code of Activate Payload for a console that has a watcher (§24.1).
	payloadActive = 0x80
	// payloadDisabled and limit of others.
	payloadDisabled = 0x81
)

// Watch implements bmc.Console.
func (w console) Watch(ctx context.Context, out io.Writer) error {
	c, m, err := w.activate(ctx)
	if err != nil {
		return w.s.wrap(watchOp, err)
	}
	defer w.s.hangUp(ctx, c, true)
	defer w.deactivate(ctx, c)
	return w.stream(ctx, c, m, silent{ctx}, out)
}

const watchOp = "watch the serial console"

// Open implements bmc.Console.
func (w console) Open(ctx context.Context) (bmc.Serial, error) {
	c, m, err := w.activate(ctx)
	if err != nil {
		return nil, w.s.wrap(watchOp, err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	typed, keyboard := io.Pipe()
	screen, seen := io.Pipe()
	s := &serial{stop: stop, keyboard: keyboard, screen: screen, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		err := w.stream(running, c, m, typed, seen)
		if err == nil {
			err = io.EOF
		}
		_ = seen.CloseWithError(err)
		_ = typed.CloseWithError(err)
		w.deactivate(running, c)
		w.s.hangUp(running, c, true)
	}()
	return s, nil
}

// serial implements bmc.Serial.
type serial struct {
	stop     context.CancelFunc
	keyboard *io.PipeWriter
	screen   *io.PipeReader
	ended    chan struct{}
}

// Read implements io.Reader.
func (s *serial) Read(p []byte) (int, error) { return s.screen.Read(p) }

// Write implements io.Writer.
func (s *serial) Write(p []byte) (int, error) { return s.keyboard.Write(p) }

// Close implements io.Closer. It waits until the BMC was told, so that the next one finds the console free.
func (s *serial) Close() error {
	s.stop()
	_ = s.screen.Close()
	_ = s.keyboard.Close()
	<-s.ended
	return nil
}

// activate logs in and takes the console.
func (w console) activate(ctx context.Context) (*client.Client, *meter, error) {
	c, m, err := w.s.login(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := m.pay(ctx); err != nil {
		w.s.hangUp(ctx, c, true)
		return nil, nil, err
	}
	if _, err := c.ActivatePayload(ctx, &transport.ActivatePayloadRequest{PayloadType: types.PayloadTypeSOL, PayloadInstance: solInstance, EnableAuthentication: true, EnableEncryption: true}); err != nil {
		w.s.hangUp(ctx, c, true)
		return nil, nil, activation(err)
	}
	return c, m, nil
}

// stream runs an active console until ctx ends, which is no error.
func (w console) stream(ctx context.Context, c *client.Client, m *meter, in io.Reader, out io.Writer) error {
	m.watch.Store(&ctx)
	err := c.SOLStream(ctx, in, out, &client.SOLStreamOptions{PollInterval: w.poll()})
	m.watch.Store(nil)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the watch was ended, which is no failure of it
	}
	return w.s.wrap(watchOp, err)
}

// poll is how often the BMC is asked whether it has more: half of its budget at most, so that others get their turn, and no more seldom than its packets live.
func (w console) poll() time.Duration {
	const half = 2
	return min(max(time.Duration(half*float64(time.Second)/w.s.opts.CallsPerSecond), solPoll), solLife)
}

// deactivate gives the console back. A BMC that does not hear it does so when the session ends.
func (w console) deactivate(ctx context.Context, c *client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.s.opts.CallTimeout)
	defer cancel()
	_, _ = c.DeactivatePayload(ctx, &transport.DeactivatePayloadRequest{PayloadType: types.PayloadTypeSOL, PayloadInstance: solInstance})
}

// activation gives the refusals of Activate Payload their kinds.
func activation(err error) error {
	answer, is := errors.AsType[*types.ResponseError](err)
	if !is {
		return err
	}
	switch uint8(answer.CompletionCode()) {
	case payloadActive:
		return &fault{step.Busy, "somebody watches the console already", "end the other session, or wait for its end"}
	case payloadDisabled:
		return &fault{step.Unsupported, "serial over LAN is disabled", "enable it on the BMC: ipmitool sol set enabled true"}
	}
	return err
}

// silent is a keyboard that nobody touches: Read waits for the end of the watch.
type silent struct {
	ctx context.Context // an io.Reader has no other way to end
}

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, io.EOF
}
