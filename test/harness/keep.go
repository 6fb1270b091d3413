package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// keepLimit bounds the collection: the API may be what is broken.
const keepLimit = time.Minute

// keep writes the objects beside the logs when the test failed, and says what to look at first. Secrets are not among them.
func (w *World) keep(t testing.TB) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepLimit)
	defer cancel()
	if w.Client != nil {
		for name, list := range map[string]client.ObjectList{
			"hosts": &metal3.BareMetalHostList{}, "hardware": &metal3.HardwareDataList{}, "lifecycles": &ingot.HostLifecycleList{},
			"windows": &ingot.BootWindowList{}, "partitions": &ingot.PartitionList{}, "events": &corev1.EventList{},
		} {
			if err := w.keepObjects(ctx, name, list); err != nil {
				t.Logf("keep %s: %v", name, err)
			}
		}
	}
	for _, p := range w.programs {
		t.Logf("end of %s:\n%s", p.logPath, tail(p.logPath))
	}
	for _, m := range w.State.Machines[:min(len(w.State.Machines), 4)] {
		if m.ConsoleLog != "" {
			t.Logf("end of the console of %s:\n%s", m.Name, tail(m.ConsoleLog))
		}
	}
}

func (w *World) keepObjects(ctx context.Context, name string, list client.ObjectList) error {
	if err := w.Client.List(ctx, list); err != nil {
		return err
	}
	text, err := yaml.Marshal(list)
	if err != nil {
		return fmt.Errorf("write as YAML: %w", err)
	}
	return os.WriteFile(filepath.Join(w.Logs, name+".yaml"), text, 0o600)
}
