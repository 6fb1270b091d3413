package fake

import (
	"context"
	"io"
	"slices"
	"strconv"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// Updates is the firmware of a BMC's machine that can be updated.
type Updates struct {
	// Components are there at first.
	Components []bmc.Component
	// Images are the versions that the images bring, by URL. Any other URL makes an update that fails.
	Images map[string]string
	// Waits: updates of other components than the BMC begin with the machine's next start. Ignored: updates end well and change nothing. Held: updates do not end before Release.
	Waits, Ignored, Held bool
	// PushOnly: the BMC fetches nothing.
	PushOnly bool
}

// update is one that the BMC was asked for.
type update struct {
	ticket, name, url string
	state             bmc.UpdateState
	message           string
	// pushed is the image's content where it was pushed.
	pushed []byte
}

// components is the state, guarded by BMC.mu.
type componentsState struct {
	now     []bmc.Component
	updates []*update
	held    bool
	// pending are versions that come with the next boot.
	pending []bmc.Component
}

// Flashed are the images that the BMC was asked to write, in order, as "component url".
func (b *BMC) Flashed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, u := range b.components.updates {
		out = append(out, u.name+" "+u.url)
	}
	return out
}

// Pushed are the contents of the images that the BMC was sent, in order.
func (b *BMC) Pushed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, u := range b.components.updates {
		if u.pushed != nil {
			out = append(out, string(u.pushed))
		}
	}
	return out
}

// Version is the version of a component that is in force.
func (b *BMC) Version(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.components.now {
		if c.Name == name {
			return c.Version
		}
	}
	return ""
}

// Release lets held updates end.
func (b *BMC) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.components.held = false
}

// bootComponents brings in what waited for the boot. It is called with mu held.
func (b *BMC) bootComponents() {
	for _, u := range b.components.updates {
		if u.state == bmc.UpdateWaits {
			b.finish(u)
		}
	}
	for _, c := range b.components.pending {
		b.setVersion(c)
	}
	b.components.pending = nil
}

func (b *BMC) setVersion(c bmc.Component) {
	for i := range b.components.now {
		if b.components.now[i].Name == c.Name {
			b.components.now[i].Version = c.Version
		}
	}
}

// finish ends an update. It is called with mu held.
func (b *BMC) finish(u *update) {
	version, found := b.config.Updates.Images[u.url]
	if !found {
		u.state, u.message = bmc.UpdateFailed, "the image could not be fetched"
		return
	}
	u.state = bmc.UpdateDone
	c := bmc.Component{Name: u.name, Version: version}
	switch {
	case b.config.Updates.Ignored:
	case u.name == "bmc":
		b.setVersion(c)
	default:
		b.components.pending = append(b.components.pending, c)
	}
}

type components struct{ s *session }

// Read implements bmc.Components.
func (o components) Read(ctx context.Context) (out []bmc.Component, err error) {
	err = o.s.call(ctx, "read firmware versions", func() error { out = slices.Clone(o.s.b.components.now); return nil })
	return out, err
}

// Start implements bmc.Components.
func (o components) Start(ctx context.Context, name string, image bmc.Image) (ticket string, err error) {
	const op = "start firmware update"
	b := o.s.b
	err = o.s.call(ctx, op, func() error {
		if !slices.ContainsFunc(b.components.now, func(c bmc.Component) bool { return c.Name == name }) {
			return b.failure(op, step.Invalid, "the BMC shows no component "+name, "")
		}
		push := image.Push || b.config.Updates.PushOnly
		if push && image.Content == nil {
			return b.failure(op, step.Unsupported, "the BMC takes images by push only", "give the image's digest")
		}
		u := &update{ticket: "update-" + strconv.Itoa(len(b.components.updates)+1), name: name, url: image.URL, state: bmc.UpdateRuns}
		if push {
			content, err := io.ReadAll(io.NewSectionReader(image.Content, 0, image.SizeBytes))
			if err != nil {
				return err
			}
			u.pushed = content
		}
		b.components.updates = append(b.components.updates, u)
		ticket = u.ticket
		return nil
	})
	return ticket, err
}

// Find implements bmc.Components.
func (o components) Find(ctx context.Context, url string) (ticket string, err error) {
	err = o.s.call(ctx, "find firmware update", func() error {
		for _, u := range o.s.b.components.updates {
			if u.url == url {
				ticket = u.ticket
			}
		}
		return nil
	})
	return ticket, err
}

// Progress implements bmc.Components. An update goes on by being looked at.
func (o components) Progress(ctx context.Context, ticket string) (out bmc.UpdateProgress, err error) {
	b := o.s.b
	err = o.s.call(ctx, "follow firmware update", func() error {
		out.State = bmc.UpdateUnknown
		for _, u := range b.components.updates {
			if u.ticket != ticket {
				continue
			}
			switch {
			case u.state != bmc.UpdateRuns || b.components.held:
			case b.config.Updates.Waits && u.name != "bmc" && b.config.Updates.Images[u.url] != "":
				u.state = bmc.UpdateWaits
			default:
				b.finish(u)
			}
			out = bmc.UpdateProgress{State: u.state, Message: u.message}
			if u.state == bmc.UpdateDone {
				out.Percent = 100
			}
		}
		return nil
	})
	return out, err
}
