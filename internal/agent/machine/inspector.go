package machine

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/coldplug"
	"github.com/ingotmetal/ingot/internal/agent/inventory"
	"github.com/ingotmetal/ingot/internal/agent/netconf"
	"github.com/ingotmetal/ingot/internal/driver/socket/ethtool"
	"github.com/ingotmetal/ingot/step"
)

// Devices appear one by one after their controller's module was loaded: an inventory waits until none appeared for settleQuiet, at most settleLimit.
const (
	settleQuiet = time.Second
	settleLimit = 30 * time.Second
)

// inspector implements agent.Inspector.
type inspector struct {
	reader  inventory.Reader
	network *netconf.Network
	hotplug *coldplug.Hotplug
	logger  *slog.Logger
}

// Inspect implements agent.Inspector.
func (i inspector) Inspect(ctx context.Context) (step.Inventory, error) {
	i.hotplug.Settle(ctx, settleQuiet, settleLimit)
	all, err := i.reader.Read()
	if err != nil {
		return all, err
	}
	addresses, err := netconf.Addresses()
	if err != nil {
		return all, err
	}
	var up []string
	for _, n := range all.NICs {
		if n.LinkUp {
			up = append(up, n.Name)
		}
	}
	if ports := openPorts(i.reader.Root); len(ports) > 0 {
		i.logger.Error("Ports are open on this machine, and none should be", "ports", ports)
	} else {
		i.logger.Info("No port is open on this machine")
	}
	neighbours := i.network.Neighbours(ctx, up)
	for k := range all.NICs {
		n := &all.NICs[k]
		n.Addresses = addresses[n.Name]
		if said, ok := neighbours[n.Name]; ok {
			n.LLDP = &said
		}
		if d, err := ethtool.Driver(n.Name); err != nil {
			i.logger.Debug("The firmware of a network interface is not known", "nic", n.Name, "err", err)
		} else if d.Firmware != "" {
			all.Components = append(all.Components, step.Component{Kind: step.ComponentNIC, Device: n.Name, Model: strings.TrimSpace(n.Model + " " + d.Name), Version: d.Firmware})
		}
	}
	return all, ctx.Err()
}

// Disks implements agent.Inspector.
func (i inspector) Disks(ctx context.Context) ([]step.Disk, error) {
	i.hotplug.Settle(ctx, settleQuiet, settleLimit)
	return i.reader.Disks()
}

// SystemUUID implements agent.Inspector.
func (i inspector) SystemUUID(context.Context) (string, error) { return i.reader.SystemUUID(), nil }

// MACAddresses implements agent.Inspector.
func (i inspector) MACAddresses(context.Context) ([]string, error) {
	nics, err := i.reader.NICs()
	if err != nil {
		return nil, err
	}
	var macs []string
	for _, n := range nics {
		if n.MAC != "" {
			macs = append(macs, n.MAC)
		}
	}
	return macs, nil
}
