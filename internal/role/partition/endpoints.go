package partition

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// endpoints are what this process publishes in Partition.status, where agents' media, the CLI and people find it.
type endpoints struct {
	agent, media, httpBoot, operator, console, consoleSSH string

	ca []byte
}

// servedCondition is true while a partition role has the leadership and its endpoints are open.
const servedCondition = "Served"

// publishEvery is how often the status is compared with what it should say; the first writes are tried every publishRetry, for a Partition that is made after us.
const (
	publishEvery = time.Minute
	publishRetry = 2 * time.Second
)

// publish keeps Partition.status right until ctx ends.
func (e endpoints) publish(ctx context.Context, c client.Client, partition string, log *slog.Logger) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		next := publishEvery
		if err := e.publishOnce(ctx, c, partition); err != nil && ctx.Err() == nil {
			log.Warn("endpoints not published", "partition", partition, "err", err)
			next = publishRetry
		}
		t.Reset(next)
	}
}

func (e endpoints) publishOnce(ctx context.Context, c client.Client, partition string) error {
	p := &ingot.Partition{}
	if err := c.Get(ctx, client.ObjectKey{Name: partition}, p); err != nil {
		return fmt.Errorf("read Partition %s: %w", partition, err)
	}
	before := p.DeepCopy()
	p.Status.AgentEndpoint, p.Status.MediaEndpoint, p.Status.OperatorEndpoint, p.Status.CABundle = e.agent, e.media, e.operator, e.ca
	p.Status.HTTPBootEndpoint = e.httpBoot
	p.Status.ConsoleEndpoint, p.Status.ConsoleSSHEndpoint = e.console, e.consoleSSH
	changed := meta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{
		Type: servedCondition, Status: metav1.ConditionTrue, Reason: "EndpointsOpen", Message: "a partition role serves this partition's hosts", ObservedGeneration: p.Generation,
	})
	if !changed && before.Status.AgentEndpoint == e.agent && before.Status.MediaEndpoint == e.media && before.Status.OperatorEndpoint == e.operator &&
		before.Status.HTTPBootEndpoint == e.httpBoot && before.Status.ConsoleEndpoint == e.console && before.Status.ConsoleSSHEndpoint == e.consoleSSH && bytes.Equal(before.Status.CABundle, e.ca) {
		return nil
	}
	if err := c.Status().Patch(ctx, p, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("write the status of Partition %s: %w", partition, err)
	}
	return nil
}
