package redfish

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// bios implements bmc.BIOS. A BMC has it where its system links to a Bios resource; that is read when it is asked for, not while probing.
type bios struct {
	s *service
	// at is the Bios resource, registries the collection of MessageRegistryFiles; empty where the service root links to none.
	at, registries link
}

// biosView is Bios (DSP8010), and what DSP0266 §9.10 adds of settings that wait: where they are, and when they can be asked to come into force.
type biosView struct {
	Attributes object[map[string]json.RawMessage]
	Registry   text `json:"AttributeRegistry"`
	Settings   object[struct {
		Object     link       `json:"SettingsObject"`
		ApplyTimes list[text] `json:"SupportedApplyTimes"`
	}] `json:"@Redfish.Settings"`
}

// Bounds of what is taken from a BMC: what is longer is left out.
const (
	maxSettings    = 4096
	maxSettingName = 256
	maxSettingText = 4096
)

// Read implements bmc.BIOS.
func (o *bios) Read(ctx context.Context) (bmc.BIOSSettings, error) {
	view, err := o.read(ctx, o.at)
	if err != nil {
		return bmc.BIOSSettings{}, o.s.wrap("read BIOS settings", err)
	}
	return bmc.BIOSSettings{Settings: settingsOf(view), Registry: clip(string(view.Registry), maxSettingName)}, nil
}

func (o *bios) read(ctx context.Context, path link) (biosView, error) {
	var view biosView
	_, err := o.s.c.get(ctx, path, "Bios", &view)
	return view, err
}

// settingsOf takes the attributes that are plain values with sound names.
func settingsOf(view biosView) map[string]string {
	out := make(map[string]string, len(view.Attributes.V))
	for name, raw := range view.Attributes.V {
		var value text
		_ = value.UnmarshalJSON(raw) // never fails
		if soundName(name) && len(value) <= maxSettingText && len(out) < maxSettings && plain(raw) {
			out[name] = strings.ToValidUTF8(string(value), "\uFFFD")
		}
	}
	return out
}

// plain: a string, a number, a boolean, or null, which is a value that is not set.
func plain(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] != '{' && raw[0] != '[' }

func soundName(s string) bool {
	return s != "" && len(s) <= maxSettingName && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Pending implements bmc.BIOS.
func (o *bios) Pending(ctx context.Context) (map[string]string, error) {
	now, err := o.read(ctx, o.at)
	if err != nil {
		return nil, o.s.wrap("read pending BIOS settings", err)
	}
	pending, err := o.pending(ctx, now)
	return pending, o.s.wrap("read pending BIOS settings", err)
}

// pending: some BMCs show in the settings object what waits, others everything as it will be.
func (o *bios) pending(ctx context.Context, now biosView) (map[string]string, error) {
	if now.Settings.V.Object == "" {
		return map[string]string{}, nil
	}
	next, err := o.read(ctx, now.Settings.V.Object)
	if err != nil {
		return nil, err
	}
	out, current := settingsOf(next), settingsOf(now)
	for name, value := range out {
		if is, shown := current[name]; shown && is == value {
			delete(out, name)
		}
	}
	return out, nil
}

// Set implements bmc.BIOS.
func (o *bios) Set(ctx context.Context, settings map[string]string) error {
	return o.s.wrap("set BIOS settings", o.set(ctx, settings))
}

func (o *bios) set(ctx context.Context, settings map[string]string) error {
	if len(settings) == 0 {
		return nil
	}
	now, err := o.read(ctx, o.at)
	if err != nil {
		return err
	}
	pending, err := o.pending(ctx, now)
	if err != nil {
		return err
	}
	current, ask := settingsOf(now), map[string]any{}
	for name, value := range settings {
		_, waits := pending[name]
		if is, shown := current[name]; !shown || is != value || waits {
			ask[name] = typed(now.Attributes.V[name], value)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	body, path := map[string]any{"Attributes": ask}, o.at
	if next := now.Settings.V.Object; next != "" {
		path = next
	}
	if slices.Contains(now.Settings.V.ApplyTimes, "OnReset") {
		body["@Redfish.SettingsApplyTime"] = map[string]string{"ApplyTime": "OnReset"}
	}
	a, err := o.s.c.patch(ctx, path, body, o.s.effect.NeedsETag)
	if err != nil {
		return refusedSettings(err)
	}
	return o.s.c.glance(ctx, a)
}

// refusedSettings: the BMC understood the request and did not like what it asks for.
func refusedSettings(err error) error {
	status := statusOf(err)
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity || bmc.KindOf(wrap("", "", err)) == step.Busy {
		return err
	}
	f := faultf(step.Invalid, "%w", err).withFix("correct the settings that the message names; some depend on others, which the BMC's own pages show")
	f.status = status
	return f
}

// typed is a value in the JSON type in which the BMC shows the setting; a setting that it does not show is sent as text.
func typed(shown json.RawMessage, value string) any {
	if len(shown) == 0 {
		return value
	}
	switch c := shown[0]; {
	case c == '-' || c >= '0' && c <= '9':
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n
		}
	case c == 't' || c == 'f':
		if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
			return strings.EqualFold(value, "true")
		}
	}
	return value
}
