package host

import (
	"context"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/table"
)

// hostColumns are the printer columns that hold what the list shows of a host, in the order in which hostOf reads them; lifecycleColumns those of its life cycle. Metal3's own definition has only some, and then whole
// objects are read.
func hostColumns() []string {
	return []string{table.Name, "Namespace", "Created", "State", "Status", "Error", "Powered", "Consumer", "Project", "BMC", "CPUs", "Memory", "Vendor", "Product", "Partition"}
}

func lifecycleColumns() []string {
	return []string{table.Name, "Namespace", "Reason", "Since at", "Step", "Progress", "Health", "Partition"}
}

// loadRows reads of hosts and their life cycles what the list's columns show.
func loadRows(ctx context.Context, r *table.Reader, o client.ListOptions) ([]*Host, error) {
	var hosts, lifecycles []table.Row
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		hosts, err = r.List(ctx, metal3.GroupVersion.WithResource("baremetalhosts"), o, hostColumns()...)
		return err
	})
	g.Go(func() (err error) {
		lifecycles, err = r.List(ctx, ingot.GroupVersion.WithResource("hostlifecycles"), client.ListOptions{Namespace: o.Namespace}, lifecycleColumns()...)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	records := make(map[types.NamespacedName]*ingot.HostLifecycle, len(lifecycles))
	for _, row := range lifecycles {
		l, err := lifecycleOf(row)
		if err != nil {
			return nil, err
		}
		records[client.ObjectKeyFromObject(l)] = l
	}
	all := make([]*Host, len(hosts))
	for i, row := range hosts {
		h := hostOf(row)
		h.Lifecycle = records[client.ObjectKeyFromObject(&h.Host)]
		all[i] = h
	}
	return all, nil
}

// hostOf is a host as far as a row of hostColumns tells.
func hostOf(row table.Row) *Host {
	h := &Host{}
	b := &h.Host
	b.Name, b.Namespace, b.CreationTimestamp = row[0].Text(), row[1].Text(), row[2].Time()
	b.Status.Provisioning.State = metal3.ProvisioningState(row[3].Text())
	b.Status.OperationalStatus, b.Status.ErrorType = metal3.OperationalStatus(row[4].Text()), metal3.ErrorType(row[5].Text())
	b.Status.PoweredOn = row[6].Is()
	if name, namespace := row[7].Text(), row[8].Text(); name != "" || namespace != "" {
		b.Spec.ConsumerRef = &corev1.ObjectReference{Name: name, Namespace: namespace}
	}
	b.Spec.BMC.Address = row[9].Text()
	d := metal3.HardwareDetails{RAMMebibytes: row[11].Int()}
	d.CPU.Count = row[10].Int()
	d.SystemVendor.Manufacturer, d.SystemVendor.ProductName = row[12].Text(), row[13].Text()
	if d.CPU.Count > 0 || d.RAMMebibytes > 0 {
		b.Status.HardwareDetails = &d
	}
	if p := row[14].Text(); p != "" {
		b.Labels = map[string]string{ingot.PartitionLabel: p}
	}
	return h
}

// lifecycleOf is a life cycle as far as a row of lifecycleColumns tells.
func lifecycleOf(row table.Row) (*ingot.HostLifecycle, error) {
	l := &ingot.HostLifecycle{}
	l.Name, l.Namespace = row[0].Text(), row[1].Text()
	s := &l.Status
	s.Outcome.Reason = row[2].Text()
	if at := row[3].Time(); !at.IsZero() {
		s.Outcome.Since = &at
	}
	var p ingot.Progress
	found, err := row[5].Object(&p)
	if kind := row[4].Text(); kind != "" || found {
		s.Step = &ingot.StepStatus{Kind: kind}
	}
	if found {
		s.Step.Progress = &p
	}
	if level := row[6].Text(); level != "" {
		s.Health = &ingot.HealthStatus{Level: level}
	}
	if p := row[7].Text(); p != "" {
		l.Labels = map[string]string{ingot.PartitionLabel: p}
	}
	return l, err
}
