package redfish

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// media implements bmc.Media on one virtual CD drive.
type media struct {
	s *service
	// drive is the VirtualMedia resource. insert and eject are its actions' targets, empty where the drive is changed by PATCH.
	drive, insert, eject link
	// protocols are the transfer protocols that InsertMedia lists.
	protocols []text
}

// probeMedia finds the drive: under the system or under its manager.
func probeMedia(ctx context.Context, s *service, sys computerSystem, mgr manager) (*media, error) {
	places := []link{mgr.VirtualMedia, sys.VirtualMedia}
	if s.effect.MediaUnderSystems {
		slices.Reverse(places)
	}
	for _, place := range places {
		if place == "" {
			continue
		}
		m, err := s.findDrive(ctx, place)
		if err != nil && !absent(err) {
			return nil, err
		}
		if m != nil {
			return m, nil
		}
	}
	return nil, nil
}

// findDrive takes the first drive for CDs, one with an InsertMedia action before one without.
func (s *service) findDrive(ctx context.Context, place link) (*media, error) {
	drives, err := s.c.members(ctx, place, "VirtualMediaCollection")
	if err != nil {
		return nil, err
	}
	if first := s.effect.MediaFirst; len(first) > 0 {
		preferred := slices.DeleteFunc(slices.Clone(drives), func(d member) bool {
			return !slices.ContainsFunc(first, func(p string) bool { return strings.HasPrefix(lastPart(d.path), p) })
		})
		if len(preferred) > 0 {
			drives = preferred
		}
	}
	var byPatch *media
	for _, d := range drives {
		var v virtualMedia
		if err := s.c.read(ctx, d, "VirtualMedia", &v); err != nil {
			if absent(err) {
				continue
			}
			return nil, err
		}
		if !takesCD(v) {
			continue
		}
		insert := v.Actions.V.Insert.V
		m := &media{s: s, drive: d.path, insert: insert.path(), eject: v.Actions.V.Eject.V.path(), protocols: insert.Protocols}
		if m.insert != "" {
			return m, nil
		}
		if byPatch == nil {
			byPatch = m
		}
	}
	return byPatch, nil
}

// takesCD goes by the media types, or by the name where a BMC gives none.
func takesCD(v virtualMedia) bool {
	isCD := func(s string) bool {
		s = strings.ToUpper(s)
		return strings.Contains(s, "CD") || strings.Contains(s, "DVD")
	}
	if len(v.MediaTypes) > 0 {
		return slices.ContainsFunc(v.MediaTypes, func(t text) bool { return isCD(string(t)) })
	}
	return isCD(string(v.Own)) || isCD(string(v.Name)) || isCD(lastPart(v.ID))
}

// Inserted implements bmc.Media.
func (m *media) Inserted(ctx context.Context) (string, error) {
	image, err := m.image(ctx)
	return image, m.s.wrap("read virtual medium", err)
}

// nameless stands for a medium that the BMC has inserted and does not name.
const nameless = "unknown:"

// image is what is connected now; empty for nothing. Inserted may be missing: then the image's name alone says it.
func (m *media) image(ctx context.Context) (string, error) {
	var v virtualMedia
	if _, err := m.s.c.get(ctx, m.drive, "VirtualMedia", &v); err != nil {
		return "", err
	}
	switch {
	case v.Inserted != nil && !bool(*v.Inserted):
		return "", nil
	case m.s.effect.ImageStaysAfterEject && strings.EqualFold(string(v.ConnectedVia), "NotConnected"):
		return "", nil
	case v.Inserted != nil && v.Image == "":
		return nameless, nil
	}
	return string(v.Image), nil
}

// Insert implements bmc.Media.
func (m *media) Insert(ctx context.Context, url string) error {
	return m.s.wrap("insert virtual medium", m.doInsert(ctx, url))
}

func (m *media) doInsert(ctx context.Context, medium string) error {
	u, err := url.Parse(medium)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return faultf(step.Invalid, "a virtual medium must be an http or https URL")
	}
	if err := m.doEject(ctx); err != nil {
		return err
	}
	a, err := m.send(ctx, medium, u.Scheme)
	if err != nil {
		return err
	}
	if err := m.s.c.follow(ctx, a, mediumMask(medium)...); err != nil {
		return err
	}
	if err := m.until(ctx, "is not inserted", func(image string) bool { return image != "" }); err != nil {
		return err
	}
	if wait := m.s.effect.WaitAfterInsert; wait > 0 {
		return m.s.c.settle(ctx, wait)
	}
	return nil
}

// send asks for the insertion. A refusal of parameters is answered by asking once more with fewer, or with the one that was missed.
func (m *media) send(ctx context.Context, medium, scheme string) (*answer, error) {
	full := map[string]any{"Image": medium, "Inserted": true, "WriteProtected": true}
	mask := mediumMask(medium)
	if m.insert == "" {
		return m.s.c.patch(ctx, m.drive, full, m.s.effect.NeedsETag, mask...)
	}
	protocol := strings.ToUpper(scheme)
	if slices.Contains(m.protocols, text(protocol)) {
		full["TransferProtocolType"] = protocol
	}
	tries := []map[string]any{full, {"Image": medium}, {"Image": medium, "Inserted": true, "TransferProtocolType": protocol, "TransferMethod": "Stream"}}
	if m.s.effect.MediaImageOnly {
		tries = tries[1:2]
	}
	var first error
	for _, body := range tries {
		a, err := m.s.c.do(ctx, request{method: http.MethodPost, path: m.insert, body: body, mask: mask})
		if err == nil || !aboutParameters(err) {
			return a, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// aboutParameters: the request was refused for what it carries, so that another form of it may be taken.
func aboutParameters(err error) bool {
	if status := statusOf(err); status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return false
	}
	return said(err, "ActionParameterNotSupported", "ActionParameterUnknown", "ActionParameterMissing", "ActionParameterValueNotInList", "PropertyUnknown", "PropertyMissing",
		"PropertyNotWritable", "PropertyValueNotInList", "PropertyValueTypeError", "ActionParameterValueTypeError")
}

// Eject implements bmc.Media.
func (m *media) Eject(ctx context.Context) error {
	return m.s.wrap("eject virtual medium", m.doEject(ctx))
}

func (m *media) doEject(ctx context.Context) error {
	image, err := m.image(ctx)
	if err != nil || image == "" {
		return err
	}
	var a *answer
	mask := mediumMask(image)
	if m.eject != "" {
		a, err = m.s.c.do(ctx, request{method: http.MethodPost, path: m.eject, body: map[string]any{}, mask: mask})
	} else {
		a, err = m.s.c.patch(ctx, m.drive, map[string]any{"Image": nil, "Inserted": false}, m.s.effect.NeedsETag, mask...)
	}
	if err != nil {
		// It may have been ejected by itself, at a reset, between the two calls.
		if now, readErr := m.image(ctx); readErr == nil && now == "" {
			return nil
		}
		return err
	}
	if err := m.s.c.follow(ctx, a, mask...); err != nil {
		return err
	}
	return m.until(ctx, "is still inserted", func(image string) bool { return image == "" })
}

// until reads the drive until it is as asked for: some BMCs answer first and act later.
func (m *media) until(ctx context.Context, otherwise string, ok func(image string) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.s.c.opts.FollowTimeout,
		faultf(step.Timeout, "the medium %s %s after the BMC said so, in drive %s", otherwise, m.s.c.opts.FollowTimeout, m.drive))
	defer cancel()
	for {
		image, err := m.image(ctx)
		if err != nil {
			return err
		}
		if ok(image) {
			return nil
		}
		if err := sleep(ctx, m.s.c.opts.PollInterval); err != nil {
			return err
		}
	}
}

var _ bmc.Media = (*media)(nil)
