package signin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Prompt is what a person does elsewhere (RFC 8628 §3.3).
type Prompt struct {
	// URL is where, Code what is typed in there. Direct has the code in it already; empty where the issuer has no such.
	URL, Code, Direct string
	// Until is when the code ends.
	Until time.Time
}

type deviceAnswer struct {
	DeviceCode string  `json:"device_code"`
	UserCode   string  `json:"user_code"`
	URL        string  `json:"verification_uri"`
	Direct     string  `json:"verification_uri_complete"`
	ExpiresIn  float64 `json:"expires_in"`
	Interval   float64 `json:"interval"`
}

// The bounds of what an issuer may ask of who waits (RFC 8628 §3.5 has 5 s where it says nothing, and 5 s more whenever it finds the asking too quick).
const (
	defaultInterval = 5 * time.Second
	moreInterval    = 5 * time.Second
	longestInterval = time.Minute
	longestDevice   = time.Hour
)

// Device logs in with a code that is typed in on another device. Show is given what the person has to do.
func (c *Client) Device(ctx context.Context, show func(Prompt)) (Tokens, error) {
	if c.endpoints.Device == "" {
		return Tokens{}, fmt.Errorf("the issuer %s has no login by another device: leave --device away", c.issuer.URL)
	}
	var a deviceAnswer
	if err := c.post(ctx, c.endpoints.Device, url.Values{"client_id": {c.issuer.ClientID}, "scope": {c.scope()}}, &a); err != nil {
		return Tokens{}, fmt.Errorf("ask %s for a code for another device: %w", c.issuer.URL, err)
	}
	if a.DeviceCode == "" || a.UserCode == "" || !strings.HasPrefix(a.URL, "https://") {
		return Tokens{}, fmt.Errorf("the issuer %s answers without a code, or with a page that has no TLS", c.issuer.URL)
	}
	interval := defaultInterval
	if a.Interval > 0 {
		interval = min(time.Duration(a.Interval*float64(time.Second)), longestInterval)
	}
	ctx, cancel := context.WithTimeout(ctx, min(max(time.Duration(a.ExpiresIn*float64(time.Second)), interval), longestDevice))
	defer cancel()
	deadline, _ := ctx.Deadline()
	show(Prompt{URL: printable(a.URL), Code: printable(a.UserCode), Direct: printable(a.Direct), Until: deadline})
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {a.DeviceCode}, "client_id": {c.issuer.ClientID}}
	for {
		select {
		case <-ctx.Done():
			return Tokens{}, fmt.Errorf("nobody typed in the code in time: %w", context.Cause(ctx))
		case <-time.After(interval):
		}
		t, err := c.tokens(ctx, form, "")
		var refused *Refused
		switch {
		case err == nil:
			return t, nil
		case errors.As(err, &refused) && refused.Code == "authorization_pending":
		case errors.As(err, &refused) && refused.Code == "slow_down":
			interval = min(interval+moreInterval, longestInterval)
		default:
			return Tokens{}, fmt.Errorf("log in at %s by another device: %w", c.issuer.URL, err)
		}
	}
}
