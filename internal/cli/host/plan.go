package host

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
)

func planCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "plan HOST",
		Short: "Say what would happen to a host next if all goes well, and do nothing",
		Long: "Runs the partition role's own decisions on the objects as they stand, against a world in which every step succeeds.\n" +
			"It changes nothing and asks no BMC.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
		RunE: one(s, func(ctx context.Context, c client.WithWatch, h Host, _ *cobra.Command) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			f, err := facts(ctx, c, h)
			if err != nil {
				return err
			}
			return printPlan(s, format, lifecycle.Plan(f, time.Now()))
		}),
	}
}

// numbered is a step with its place in the plan.
type numbered struct {
	lifecycle.PlannedStep
	place int
}

func printPlan(s *session.Session, format print.Format, steps []lifecycle.PlannedStep) error {
	rows := make([]numbered, len(steps))
	for i := range steps {
		rows[i] = numbered{steps[i], i + 1}
	}
	err := print.Objects(s.Out, format, steps, rows, []print.Column[numbered]{
		{Header: "#", Cell: func(n numbered) string { return strconv.Itoa(n.place) }},
		{Header: "STAGE", Cell: func(n numbered) string { return n.Stage }},
		{Header: "ACTION", Cell: func(n numbered) string { return n.Action }},
		{Header: "WHAT", Cell: func(n numbered) string { return n.What }},
	})
	if err != nil || format.Structured() || len(steps) == 0 {
		return err
	}
	if fix := steps[len(steps)-1].Fix; fix != "" {
		_, err = fmt.Fprintln(s.Out, "\nwhat helps:", fix)
	}
	return err
}

// facts gathers what a client of the API can know of a host. What only the partition role knows (power now, the agent's last word) is left out; package lifecycle
// takes it to be well.
func facts(ctx context.Context, c client.Client, h Host) (journey.Facts, error) {
	f := journey.Facts{Host: h.Host.DeepCopy(), Record: h.record()}
	var data metal3.HardwareData
	switch err := c.Get(ctx, client.ObjectKeyFromObject(&h.Host), &data); {
	case err == nil:
		f.Hardware = data.Spec.HardwareDetails
	case !apierrors.IsNotFound(err):
		return f, fmt.Errorf("read the hardware data of host %s: %w", h.Host.Name, err)
	}
	f.Credentials = journey.Credentials{Version: h.Host.Status.GoodCredentials.Version}
	if h.Host.Spec.BMC.CredentialsName != "" {
		f.Credentials.Named, f.Credentials.Found, f.Credentials.Complete = true, true, true
	}
	var partitions ingot.PartitionList
	if err := c.List(ctx, &partitions); err != nil {
		return f, fmt.Errorf("list partitions: %w", err)
	}
	for i := range partitions.Items {
		p := &partitions.Items[i]
		f.Site.VirtualMedia = f.Site.VirtualMedia || p.Status.MediaEndpoint != ""
		f.Site.UEFIHTTP = f.Site.UEFIHTTP || p.Status.HTTPBootEndpoint != ""
		if p.Spec.TPM != nil && (len(partitions.Items) == 1 || h.Lifecycle != nil && p.Name == h.Lifecycle.Labels[ingot.PartitionLabel]) {
			f.Site.TPM = *p.Spec.TPM
		}
		f.Site.PXE = f.Site.PXE || p.Spec.ProvisioningNetwork.DHCPMode != ingot.DHCPOff
	}
	return f, nil
}
