// Package fleet reads all that views of the whole fleet rest on: its issues and its capacity.
//
// It owns which objects those are. It refuses to make sense of them, which is package evidence's and package stock's. The programs read the API by it, and so does the controller role, so that a
// metric counts what `ingot host issues` lists.
//
// Invariant: a list that could not be read is an error and never an empty one; but for the boot windows and the records of addresses, which not everybody may read.
package fleet

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/claimfacts"
	"github.com/ingotmetal/ingot/issue/evidence"
)

// Read lists everything, of every namespace. The options are for every list.
func Read(ctx context.Context, c client.Reader, opts ...client.ListOption) (evidence.Objects, error) {
	var o evidence.Objects
	var err error
	if o.Facts, err = claimfacts.Read(ctx, c, opts...); err != nil {
		return o, err
	}
	var (
		records    ingot.HostLifecycleList
		partitions ingot.PartitionList
		networks   ingot.NetworkList
		ips        ingot.IPList
		images     ingot.ImageList
		sizes      ingot.SizeList
		windows    ingot.BootWindowList
	)
	for _, x := range []struct {
		what string
		list client.ObjectList
	}{
		{"the life cycles of hosts", &records}, {"Partitions", &partitions}, {"Networks", &networks}, {"IPs", &ips}, {"Images", &images}, {"Sizes", &sizes},
	} {
		if err := c.List(ctx, x.list, opts...); err != nil {
			return o, fmt.Errorf("list %s: %w", x.what, err)
		}
	}
	if err := c.List(ctx, &windows, append(slices.Clone(opts), client.InNamespace(ingot.BootNamespace))...); err != nil && !apierrors.IsForbidden(err) {
		return o, fmt.Errorf("list boot windows: %w", err)
	}
	o.Records, o.Partitions, o.Networks, o.IPs, o.Images, o.Sizes, o.Windows = records.Items, partitions.Items, networks.Items, ips.Items, images.Items, sizes.Items, windows.Items
	return o, nil
}

// ReadMachines lists Machines and Images only: what a tenant may read, who sees nothing of hosts. The options are for the Machines.
func ReadMachines(ctx context.Context, c client.Reader, opts ...client.ListOption) (evidence.Objects, error) {
	var machines ingot.MachineList
	var images ingot.ImageList
	if err := c.List(ctx, &machines, opts...); err != nil {
		return evidence.Objects{}, fmt.Errorf("list Machines: %w", err)
	}
	if err := c.List(ctx, &images); err != nil {
		return evidence.Objects{}, fmt.Errorf("list Images: %w", err)
	}
	return evidence.Objects{Facts: survey.Facts{Machines: machines.Items}, Images: images.Items}, nil
}

// ReadAddresses lists Networks, IPs and the Machines that these are made for: what a tenant may read of the own project; and, of all namespaces, the records of addresses, where who calls may read them.
func ReadAddresses(ctx context.Context, c client.Reader, opts ...client.ListOption) (evidence.Objects, error) {
	var o evidence.Objects
	if len(opts) == 0 {
		// Before the IPs: what is recorded for an IP that is not there then is not for one that was made meanwhile.
		var records ingot.AddressRecordList
		if err := c.List(ctx, &records); err == nil {
			o.AddressRecords = append([]ingot.AddressRecord{}, records.Items...)
		} else if !apierrors.IsForbidden(err) {
			return o, fmt.Errorf("list the records of addresses: %w", err)
		}
	}
	var networks ingot.NetworkList
	var ips ingot.IPList
	var machines ingot.MachineList
	for _, list := range []client.ObjectList{&networks, &ips, &machines} {
		if err := c.List(ctx, list, opts...); err != nil {
			return evidence.Objects{}, fmt.Errorf("list networks, IPs and Machines: %w", err)
		}
	}
	o.Networks, o.IPs, o.Machines = networks.Items, ips.Items, machines.Items
	return o, nil
}
