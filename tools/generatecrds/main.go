// Command generatecrds writes config/crd and api's deep copies: the custom resource definitions of Ingot's kinds, of every kind of Metal3's modules at the
// versions in go.mod, whose own repositories ship them but whose modules do not, and of the kinds of Cluster API's address management. Run it by make generate, or: cd tools && go run ./generatecrds -root ..
//
// It changes nothing in Metal3's schemas but what is listed in patches, each with its reason.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// foreignTypes are loaded from the main module, which pins their versions. Cluster API serves claims in two versions of which the newer is stored; what differs between them is the form of a claim's conditions, so
// that no conversion is needed for who reads addresses by the older one.
var foreignTypes = [][]string{
	{"github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"},
	{"github.com/metal3-io/ip-address-manager/api/v1alpha1"},
	{"sigs.k8s.io/cluster-api/api/ipam/v1beta1", "sigs.k8s.io/cluster-api/api/ipam/v1beta2"},
}

func main() {
	root := flag.String("root", "..", "the repository")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *root)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "generatecrds:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	work, err := os.MkdirTemp("", "generatecrds-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer os.RemoveAll(work)
	generator := filepath.Join(work, "controller-gen")
	if err := command(ctx, filepath.Join(root, "tools"), "go", "build", "-o", generator, "sigs.k8s.io/controller-tools/cmd/controller-gen"); err != nil {
		return err
	}
	out := filepath.Join(work, "crd")
	// HardwareData (a CPU's clock) and policies (their order) have floats, hence allowDangerousTypes.
	for _, packages := range foreignTypes {
		args := []string{"crd:allowDangerousTypes=true", "output:crd:dir=" + out}
		for _, p := range packages {
			args = append(args, "paths="+p)
		}
		if err := command(ctx, root, generator, args...); err != nil {
			return err
		}
	}
	if err := command(ctx, filepath.Join(root, "api"), generator, "crd:allowDangerousTypes=true", "object", "paths=./...", "output:crd:dir="+out); err != nil {
		return err
	}
	return publish(out, filepath.Join(root, "config", "crd"))
}

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s %s in %s: %w", name, strings.Join(args, " "), dir, err)
	}
	return nil
}

// publish replaces the definitions in the target folder by the generated ones, patched.
func publish(from, to string) error {
	old, err := filepath.Glob(filepath.Join(to, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(from, file.Name()))
		if err != nil {
			return err
		}
		if text, err = patch(file.Name(), text); err != nil {
			return fmt.Errorf("patch %s: %w", file.Name(), err)
		}
		if err := os.WriteFile(filepath.Join(to, file.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// patches by file name.
var patches = map[string][]func(map[string]any) error{
	"metal3.io_baremetalhosts.yaml": {
		// The type has a DetachError, the enum of its field lacks it, so that reporting one would be refused.
		addEnum("detach error", "status", "errorType"),
		// The mode came after v0.13.2 of the types.
		addEnum("fast", "spec", "inspectionMode"),
		// Cluster API's clusterctl moves only kinds with this label.
		addLabel("clusterctl.cluster.x-k8s.io", ""),
		// What `ingot host list` shows, so that it reads rows of a few hundred bytes and not whole hosts. Metal3's own columns stay as they are; these show with -o wide only.
		addColumn("Powered", "boolean", ".status.poweredOn"),
		addColumn("Project", "string", ".spec.consumerRef.namespace"),
		addColumn("CPUs", "integer", ".status.hardware.cpu.count"),
		addColumn("Memory", "integer", ".status.hardware.ramMebibytes"),
		addColumn("Vendor", "string", ".status.hardware.systemVendor.manufacturer"),
		addColumn("Product", "string", ".status.hardware.systemVendor.productName"),
		addColumn("Partition", "string", `.metadata.labels.ingot\.dev/partition`),
		addColumn("Namespace", "string", ".metadata.namespace"),
		addColumn("Created", "string", ".metadata.creationTimestamp"),
	},
	"ipam.metal3.io_ippools.yaml": {
		addLabel("clusterctl.cluster.x-k8s.io", ""),
		addLabel("clusterctl.cluster.x-k8s.io/move-hierarchy", ""),
	},
	"ipam.metal3.io_ipclaims.yaml":               {addLabel("clusterctl.cluster.x-k8s.io", "")},
	"ipam.metal3.io_ipaddresses.yaml":            {addLabel("clusterctl.cluster.x-k8s.io", "")},
	"ipam.cluster.x-k8s.io_ipaddressclaims.yaml": {addLabel("clusterctl.cluster.x-k8s.io", "")},
	"ipam.cluster.x-k8s.io_ipaddresses.yaml":     {addLabel("clusterctl.cluster.x-k8s.io", "")},
	"metal3.io_hardwaredata.yaml": {
		addLabel("clusterctl.cluster.x-k8s.io", ""),
		addLabel("clusterctl.cluster.x-k8s.io/move", ""),
	},
}

func patch(name string, text []byte) ([]byte, error) {
	var crd map[string]any
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, err
	}
	for _, p := range patches[name] {
		if err := p(crd); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(name, "projectcalico.org_") {
		if err := boundNumbersOrNames(crd); err != nil {
			return nil, err
		}
	}
	text, err := yaml.Marshal(crd)
	if err != nil {
		return nil, err
	}
	return append([]byte("# Generated by tools/generatecrds. Do not edit.\n"), text...), nil
}

func addLabel(key, value string) func(map[string]any) error {
	return func(crd map[string]any) error {
		meta := crd["metadata"].(map[string]any)
		labels, _ := meta["labels"].(map[string]any)
		if labels == nil {
			labels = map[string]any{}
			meta["labels"] = labels
		}
		labels[key] = value
		return nil
	}
}

// addColumn adds a column that kubectl shows with -o wide only. It fails where one of the name is there: programs find columns by name.
func addColumn(name, kind, path string) func(map[string]any) error {
	return func(crd map[string]any) error {
		for _, v := range crd["spec"].(map[string]any)["versions"].([]any) {
			version := v.(map[string]any)
			columns, _ := version["additionalPrinterColumns"].([]any)
			for _, c := range columns {
				if c.(map[string]any)["name"] == name {
					return fmt.Errorf("there is a column %q already: give ours another name", name)
				}
			}
			version["additionalPrinterColumns"] = append(columns, map[string]any{"name": name, "type": kind, "jsonPath": path, "priority": 1})
		}
		return nil
	}
}

// addEnum adds a value to the enum of a field. It fails when the value is there: then upstream has it, and the patch goes.
func addEnum(value string, path ...string) func(map[string]any) error {
	return func(crd map[string]any) error {
		spec := crd["spec"].(map[string]any)
		for _, v := range spec["versions"].([]any) {
			node := v.(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
			for _, field := range path {
				next, ok := node["properties"].(map[string]any)[field].(map[string]any)
				if !ok {
					return fmt.Errorf("no field %s: upstream moved it", strings.Join(path, "."))
				}
				node = next
			}
			enum, _ := node["enum"].([]any)
			if slices.Contains(enum, any(value)) {
				return fmt.Errorf("enum of %s has %q already: remove the patch", strings.Join(path, "."), value)
			}
			node["enum"] = append(enum, value)
		}
		return nil
	}
}
