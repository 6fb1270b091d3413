package manager

import "sigs.k8s.io/controller-runtime/pkg/metrics/server"

type Options struct {
	Metrics                server.Options
	HealthProbeBindAddress string
}
