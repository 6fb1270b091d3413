package sim_test

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// TestFirmwareIsSetOnTheWay: over real Redfish, a machine that is provisioned has the firmware settings that were asked for before, and its neighbour has its own.
func TestFirmwareIsSetOnTheWay(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 2}})
	machines := s.Lab.State().Machines
	asked, other := machines[0], machines[1]
	want := &metal3.HostFirmwareSettings{ObjectMeta: metav1.ObjectMeta{Namespace: asked.Namespace, Name: asked.Name}}
	want.Spec.Settings = metal3.DesiredSettingsMap{"SriovGlobalEnable": intstr.FromString("Enabled"), "BootRetries": intstr.FromInt32(7), "QuietBoot": intstr.FromString("false")}
	if err := s.Client.Create(ctx, want); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if err := s.Enrol(ctx, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Await(ctx, "default", site.Provisioned(len(machines))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m                     lab.Machine
		sriov, retries, quiet string
	}{{asked, "Enabled", "7", "false"}, {other, "Disabled", "3", "true"}} {
		o := &metal3.HostFirmwareSettings{}
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: c.m.Namespace, Name: c.m.Name}, o); err != nil {
			t.Fatal(err)
		}
		for where, have := range map[string]map[string]string{"the BMC": s.Lab.BMC(c.m.Name).BIOSSettings(), "the status": o.Status.Settings} {
			if have["SriovGlobalEnable"] != c.sriov || have["BootRetries"] != c.retries || have["QuietBoot"] != c.quiet {
				t.Errorf("%s of %s has %v", where, c.m.Name, have)
			}
		}
		if _, shown := o.Status.Settings["SetupPassword"]; shown {
			t.Errorf("the status of %s shows a password", c.m.Name)
		}
	}
	checkDisks(t, s)
	checkLogs(t, s)
}
