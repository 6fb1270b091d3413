package ipmi

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/transport"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/step"
)

// console implements bmc.Console by serial over LAN (IPMI 2.0 §15). It has a login of its own: the payload is the session's for as long as it is watched, and the session's other requests would
// wait for it.
type console struct{ s *session }

const (
	// solInstance is the only one that BMCs have.
	solInstance = 1
	// solPoll is how often what the BMC has sent is acknowledged: it sends a packet some seven times, 100 to 500 ms apart (§26.3, parameter 5), and drops it then.
	solPoll = 50 * time.Millisecond
	// payloadActive is the completion code of Activate Payload for a console that has a watcher (§24.1).
	payloadActive = 0x80
	// payloadDisabled and limit of others.
	payloadDisabled = 0x81
)

// Watch implements bmc.Console.
func (w console) Watch(ctx context.Context, out io.Writer) error {
	const op = "watch the serial console"
	if err := w.s.limiter.Wait(ctx); err != nil {
		return w.s.wrap(op, err)
	}
	c, err := w.s.login(ctx)
	if err != nil {
		return w.s.wrap(op, err)
	}
	defer w.s.hangUp(ctx, c, true)
	if _, err := c.ActivatePayload(ctx, &transport.ActivatePayloadRequest{PayloadType: types.PayloadTypeSOL, PayloadInstance: solInstance, EnableAuthentication: true, EnableEncryption: true}); err != nil {
		return w.s.wrap(op, activation(err))
	}
	defer w.deactivate(ctx, c)
	err = c.SOLStream(ctx, silent{ctx}, out, &client.SOLStreamOptions{PollInterval: solPoll})
	if ctx.Err() != nil {
		return nil
	}
	return w.s.wrap(op, err)
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
	ctx context.Context //nolint:containedctx // an io.Reader has no other way to end
}

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, io.EOF
}
