package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

// consoleLogTimeout bounds the reading of a BMC's whole log, which some BMCs give out line by line.
const consoleLogTimeout = 2 * time.Minute

func consoleLogCommand(s *session.Session) *cobra.Command {
	var source string
	c := &cobra.Command{
		Use:               "console-log HOST",
		Short:             "Show what a host's serial console or its agent said",
		Long:              "Reads the console log that the BMC keeps; where it keeps none, the log of the agent. Asked from the partition role.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
	}
	c.Flags().StringVar(&source, "source", "", "bmc or agent (default: bmc where it keeps a log, else agent)")
	_ = c.RegisterFlagCompletionFunc("source", cobra.FixedCompletions([]string{"bmc", "agent"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = one(s, func(ctx context.Context, k client.WithWatch, h Host, _ *cobra.Command) error {
		config, err := s.RESTConfig()
		if err != nil {
			return err
		}
		partition, err := partitionOf(ctx, k, h)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, consoleLogTimeout)
		defer cancel()
		return copyConsoleLog(ctx, s.Out, config, partition, h, source)
	})
	return c
}

// partitionOf finds the partition that looks after a host: the only one that has an endpoint for operators.
func partitionOf(ctx context.Context, c client.Client, h Host) (*ingot.Partition, error) {
	var all ingot.PartitionList
	if err := c.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	var found *ingot.Partition
	for i := range all.Items {
		if all.Items[i].Status.OperatorEndpoint == "" {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("host %s: partitions %s and %s both answer operators, and the host names none", h.Host.Name, found.Name, all.Items[i].Name)
		}
		found = &all.Items[i]
	}
	if found == nil {
		return nil, errors.New("no partition has published an endpoint for operators: is the partition role running?")
	}
	return found, nil
}

func copyConsoleLog(ctx context.Context, w io.Writer, config *rest.Config, p *ingot.Partition, h Host, source string) error {
	target, err := url.JoinPath(p.Status.OperatorEndpoint, "v1", "hosts", h.Host.Namespace, h.Host.Name, "console-log")
	if err != nil {
		return fmt.Errorf("partition %s publishes the endpoint %q, which is no URL: %w", p.Name, p.Status.OperatorEndpoint, err)
	}
	if source != "" {
		target += "?source=" + url.QueryEscape(source)
	}
	transport, err := operatorTransport(config, p)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("ask partition %s for the console log: %w", p.Name, err)
	}
	if config.BearerToken != "" {
		request.Header.Set("Authorization", "Bearer "+config.BearerToken)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("ask partition %s for the console log of %s: %w", p.Name, h.Host.Name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		const limit = 4096
		body, _ := io.ReadAll(io.LimitReader(response.Body, limit))
		return fmt.Errorf("partition %s refuses the console log of %s: %s: %s", p.Name, h.Host.Name, response.Status, strings.TrimSpace(string(body)))
	}
	_, err = io.Copy(w, response.Body)
	return err
}

// operatorTransport shows the kubeconfig's client certificate and trusts what the partition published.
func operatorTransport(config *rest.Config, p *ingot.Partition) (*http.Transport, error) {
	ours, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate of the kubeconfig: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.Status.CABundle) {
		return nil, fmt.Errorf("partition %s publishes no CA certificate to verify it by", p.Name)
	}
	secure := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	if ours != nil {
		secure.Certificates = ours.Certificates
		secure.GetClientCertificate = ours.GetClientCertificate
	}
	dialer := socket.Bind(matrix.Operator, matrix.Builtin(), kernel.Network{})
	return &http.Transport{
		TLSClientConfig: secure,
		DialContext:     viaServices(p.Spec.ManagementServices, dialer.DialContext(matrix.OperatorToPartition)),
	}, nil
}

// dial is a dialer of one flow.
type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// viaServices dials the partition's management services in their order, where it has any, in the place of its own endpoint: the first that is reached is spoken to. The certificate is still held against the endpoint's
// name, so that a wrong address reaches nobody else.
func viaServices(services []string, to dial) dial {
	if len(services) == 0 {
		return to
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var failures []error
		for _, address := range services {
			conn, err := to(ctx, network, address)
			if err == nil {
				return conn, nil
			}
			failures = append(failures, fmt.Errorf("management service %s: %w", address, err))
		}
		return nil, errors.Join(failures...)
	}
}
