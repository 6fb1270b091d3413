package kubernetes

import (
	"context"
	"net"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

type dial func(context.Context, string, string) (net.Conn, error)

func bound(d dial) (*rest.Config, error) {
	c, err := clientcmd.BuildConfigFromFlags("", "x")
	if err != nil {
		return nil, err
	}
	c.Dial = d
	return rest.CopyConfig(c), nil
}

func unbound(loader clientcmd.ClientConfig) {
	clientcmd.BuildConfigFromFlags("", "x") // want `BuildConfigFromFlags dials past the matrix`
	loader.ClientConfig()                   // want `ClientConfig dials past the matrix`
	rest.InClusterConfig()                  // want `InClusterConfig dials past the matrix`
	_ = &rest.Config{Host: "x"}             // want `rest\.Config without Dial`
}

func whole(d dial) *rest.Config { return &rest.Config{Dial: d} }

const off = "0"

func managers(where string) {
	_ = manager.Options{} // want `Options without Metrics`
	_ = manager.Options{Metrics: metrics.Options{BindAddress: off}}
	_ = manager.Options{Metrics: metrics.Options{BindAddress: where}} // want `with this BindAddress listens`
	_ = manager.Options{Metrics: metrics.Options{}}                   // want `with this BindAddress listens`
	_ = manager.Options{
		Metrics:                metrics.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
	}
	_ = manager.Options{Metrics: metrics.Options{BindAddress: "0"}, HealthProbeBindAddress: ":8081"} // want `with this HealthProbeBindAddress listens`
}
