package fake

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// Flows implements hostnet.Tracking.
func (h *Host) Flows(ctx context.Context) ([]hostnet.Flow, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.facts.Flows), ctx.Err()
}

// Cut implements hostnet.Tracking.
func (h *Host) Cut(ctx context.Context, revoked func(hostnet.Flow) bool) ([]hostnet.Flow, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var kept, cut []hostnet.Flow
	for _, f := range h.facts.Flows {
		if revoked(f) {
			cut = append(cut, f)
		} else {
			kept = append(kept, f)
		}
	}
	h.facts.Flows = kept
	return cut, nil
}

// Listening implements hostnet.Sockets.
func (h *Host) Listening(ctx context.Context) ([]hostnet.Socket, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.facts.Sockets), ctx.Err()
}

// Interfaces implements hostnet.Links.
func (h *Host) Interfaces(ctx context.Context) ([]firewall.Interface, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.facts.Interfaces), ctx.Err()
}

// Via implements hostnet.Links.
func (h *Host) Via(ctx context.Context, to netip.Addr) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	best, name := -1, ""
	for p, n := range h.facts.Routes {
		if p.Contains(to) && p.Bits() > best {
			best, name = p.Bits(), n
		}
	}
	if best < 0 {
		return "", fmt.Errorf("find the route to %s: %w", to, hostnet.ErrNoRoute)
	}
	return name, nil
}

// Others implements hostnet.Others.
func (h *Host) Others(ctx context.Context, _ string) ([]hostnet.Other, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.facts.Others), ctx.Err()
}
