package controller

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/ingotmetal/ingot/internal/controller/firewall"
	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
	"github.com/ingotmetal/ingot/internal/controller/leak"
	"github.com/ingotmetal/ingot/internal/controller/machine"
	"github.com/ingotmetal/ingot/internal/controller/quota"
)

// addClaims hangs in what gives tenants their hosts and takes them back.
func addClaims(ctx context.Context, mgr manager.Manager, machines machine.Options, counters prometheus.Registerer) error {
	live, log := machines.Live, machines.Log
	if err := hostclaim.Add(ctx, mgr, hostclaim.Options{Live: live, Log: log}); err != nil {
		return err
	}
	if err := machine.Add(ctx, mgr, machines); err != nil {
		return err
	}
	if err := firewall.Add(mgr, firewall.Options{Live: live, Log: log}); err != nil {
		return err
	}
	if err := quota.Add(mgr, quota.Options{Log: log}); err != nil {
		return err
	}
	return leak.Add(mgr, leak.Options{Live: live, Metrics: counters, Log: log})
}
