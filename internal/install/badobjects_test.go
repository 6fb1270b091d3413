package install_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// goodObjects are one of each kind with which nothing is wrong: each bad one differs from it in one thing.
var goodObjects = map[string]struct{ resource, name, spec string }{
	"Size": {"sizes", "m1", `{constraints: [{type: cores, min: 8, max: 16}, {type: memory, min: 31Gi, max: 32Gi}, {type: disks, medium: SSD, min: 100G, minCount: 1, maxCount: 2}]}`},
	"Image": {"images", "debian-12.1", `{os: debian, version: "12.1", url: "https://images.example.net/debian.qcow2", format: qcow2,
		digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`},
	"ImageTrust": {"imagetrusts", "publishers", `{images: ["debian-*"], keys: [{name: a, publicKey: "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"}]}`},
	"Partition":  {"partitions", "fra1", `{provisioningNetwork: {dhcpMode: "off"}, dnsServers: [10.0.0.53, "fd00::53"], ntpServers: [ntp.example.net, 10.0.0.1], boot: {kernelArguments: [nomodeset, "pci=noaer"]}}`},
	"FilesystemLayout": {"filesystemlayouts", "server", `{partitions: [{name: esp, type: efi-system, sizeMiB: 100}, {name: root, type: linux}], constraints: {images: [{name: debian, versions: ">=12"}]},
		filesystems: [{partition: esp, format: vfat, path: /boot/efi}, {partition: root, format: ext4, path: /}]}`},
	"DiscoveredHost": {"discoveredhosts", "found", `{partition: fra1, source: list, bmcAddress: "redfish://10.0.0.5/"}`},
}

// badObject is one: what is changed (a merge of YAML into the good one's spec), the field that the refusal names, and a word of its reason.
type badObject struct {
	kind, name, spec string
	field, reason    string
}

// badObjects are those of what a provider writes; tenantBad are the others.
var badObjects = []badObject{
	{kind: "Size", name: "no constraints", spec: `{constraints: []}`, field: "spec.constraints", reason: "at least 2"},
	{kind: "Size", name: "no cores", spec: `{constraints: [{type: memory, min: 1Gi}, {type: disks}]}`, field: "spec.constraints", reason: "exactly one of type cores"},
	{kind: "Size", name: "cores twice", spec: `{constraints: [{type: cores, min: 1}, {type: cores, min: 2}, {type: memory, min: 1Gi}]}`, field: "spec.constraints", reason: "exactly one of type cores"},
	{kind: "Size", name: "no memory", spec: `{constraints: [{type: cores, min: 1}, {type: disks}]}`, field: "spec.constraints", reason: "exactly one of type memory"},
	{kind: "Size", name: "an unknown type", spec: `{constraints: [{type: cores, min: 1}, {type: memory, min: 1Gi}, {type: nics, min: 2}]}`, field: "spec.constraints[2].type", reason: "supported values"},
	{kind: "Size", name: "max below min", spec: `{constraints: [{type: cores, min: 16, max: 8}, {type: memory, min: 1Gi}]}`, field: "spec.constraints", reason: "a max is below its min"},
	{kind: "Size", name: "max below min in other units", spec: `{constraints: [{type: cores, min: 1}, {type: memory, min: 2Gi, max: 2G}]}`, field: "spec.constraints", reason: "a max is below its min"},
	{kind: "Size", name: "a negative amount", spec: `{constraints: [{type: cores, min: -1}, {type: memory, min: 1Gi}]}`, field: "spec.constraints", reason: "at least 0"},
	{kind: "Size", name: "half a core", spec: `{constraints: [{type: cores, min: 500m}, {type: memory, min: 1Gi}]}`, field: "spec.constraints", reason: "whole number"},
	{kind: "Size", name: "an amount in words", spec: `{constraints: [{type: cores, min: eight}, {type: memory, min: 1Gi}]}`, field: "spec.constraints[0].min", reason: "should match"},
	{kind: "Size", name: "bytes of cores", spec: `{constraints: [{type: cores, max: 64Gi}, {type: memory, min: 1Gi}]}`, field: "spec.constraints", reason: "not bytes"},
	{kind: "Size", name: "a model of memory", spec: `{constraints: [{type: cores, min: 1}, {type: memory, min: 1Gi, identifier: DDR5}]}`, field: "spec.constraints[1]", reason: "memory has no model"},
	{kind: "Size", name: "a medium of GPUs", spec: `{constraints: [{type: cores, min: 1}, {type: memory, min: 1Gi}, {type: gpus, min: 1, medium: SSD}]}`, field: "spec.constraints[2]", reason: "of disks only"},
	{kind: "Size", name: "an unknown medium", spec: `{constraints: [{type: cores, min: 1}, {type: memory, min: 1Gi}, {type: disks, medium: tape}]}`, field: "spec.constraints[2].medium", reason: "supported values"},
	{kind: "Size", name: "fewer disks at most than at least", spec: `{constraints: [{type: cores, min: 1}, {type: memory, min: 1Gi}, {type: disks, minCount: 3, maxCount: 2}]}`, field: "spec.constraints[2]", reason: "below minCount"},
	{kind: "Size", name: "nothing bound", spec: `{constraints: [{type: cores}, {type: memory, min: 1Gi}]}`, field: "spec.constraints[0]", reason: "nothing is bound"},
	{kind: "Size", name: "a wrong range of versions", spec: `{imageConstraints: [{name: ubuntu, versions: "newest"}]}`, field: "spec.imageConstraints[0].versions", reason: "should match"},
	{kind: "Size", name: "an operating system twice", spec: `{imageConstraints: [{name: ubuntu}, {name: ubuntu}]}`, field: "spec.imageConstraints[1]", reason: "Duplicate"},

	{kind: "Image", name: "another name", spec: `{version: "12.2"}`, field: "metadata.name", reason: "named by its spec.os"},
	{kind: "Image", name: "no version", spec: `{version: ""}`, field: "spec.version", reason: "should match"},
	{kind: "Image", name: "a version with words", spec: `{version: "12.1-rc1"}`, field: "spec.version", reason: "should match"},
	{kind: "Image", name: "five numbers", spec: `{version: "1.2.3.4.5"}`, field: "spec.version", reason: "should match"},
	{kind: "Image", name: "an operating system with capitals", spec: `{os: Debian}`, field: "spec.os", reason: "should match"},
	{kind: "Image", name: "an operating system that ends in a number", spec: `{os: debian-12}`, field: "spec.os", reason: "should match"},
	{kind: "Image", name: "a file of the server", spec: `{url: "file:///etc/shadow"}`, field: "spec.url", reason: "should match"},
	{kind: "Image", name: "a password in the URL", spec: `{url: "https://me:secret@images.example.net/x"}`, field: "spec.url", reason: "should match"},
	{kind: "Image", name: "no digest", spec: `{digest: ""}`, field: "spec.digest", reason: "should match"},
	{kind: "Image", name: "an MD5", spec: `{digest: "md5:d41d8cd98f00b204e9800998ecf8427e"}`, field: "spec.digest", reason: "should match"},
	{kind: "Image", name: "a short digest", spec: `{digest: "sha256:e3b0"}`, field: "spec.digest", reason: "should match"},
	{kind: "Image", name: "an unknown format", spec: `{format: vhd}`, field: "spec.format", reason: "supported values"},
	{kind: "Image", name: "an unknown class", spec: `{classification: gold}`, field: "spec.classification", reason: "supported values"},
	{kind: "Image", name: "a time in words", spec: `{expiresAt: tomorrow}`, field: "spec.expiresAt", reason: "date-time"},
	{kind: "Image", name: "a negative grace", spec: `{graceDays: -1}`, field: "spec.graceDays", reason: "greater than or equal to 0"},
	{kind: "Image", name: "an unknown feature", spec: `{features: [switch]}`, field: "spec.features[0]", reason: "supported values"},
	{kind: "Image", name: "a feature twice", spec: `{features: [machine, machine]}`, field: "spec.features[1]", reason: "Duplicate"},
	{kind: "Image", name: "a size with capitals", spec: `{sizeConstraints: [M1]}`, field: "spec.sizeConstraints[0]", reason: "should match"},
	{kind: "Image", name: "a signature that is no base64", spec: `{signature: "no base64!"}`, field: "spec.signature", reason: "should match"},

	{kind: "ImageTrust", name: "no keys", spec: `{keys: []}`, field: "spec.keys", reason: "at least 1"},
	{kind: "ImageTrust", name: "no images", spec: `{images: []}`, field: "spec.images", reason: "at least 1"},
	{kind: "ImageTrust", name: "a private key", spec: `{keys: [{name: a, publicKey: "-----BEGIN PRIVATE KEY-----\nMFkw\n-----END PRIVATE KEY-----\n"}]}`, field: "spec.keys[0].publicKey", reason: "never a private key"},
	{kind: "ImageTrust", name: "a key twice", spec: `{keys: [{name: a, publicKey: "-----BEGIN PUBLIC KEY-----\nA\n"}, {name: a, publicKey: "-----BEGIN PUBLIC KEY-----\nB\n"}]}`, field: "spec.keys[1]", reason: "Duplicate"},

	{kind: "Partition", name: "a server without a subnet", spec: `{provisioningNetwork: {dhcpMode: server}}`, field: "spec.provisioningNetwork", reason: "needs cidr"},
	{kind: "Partition", name: "a range outside", spec: `{provisioningNetwork: {dhcpMode: server, cidr: 10.0.0.0/24, rangeStart: 10.0.0.10, rangeEnd: 10.0.1.10}}`, field: "spec.provisioningNetwork.rangeStart, rangeEnd", reason: "outside of cidr"},
	{kind: "Partition", name: "a name server by name", spec: `{dnsServers: [dns.example.net]}`, field: "spec.dnsServers[0]", reason: "asked by its address"},
	{kind: "Partition", name: "four name servers", spec: `{dnsServers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4]}`, field: "spec.dnsServers", reason: "at most 3"},
	{kind: "Partition", name: "half a time server", spec: `{ntpServers: [10.0.0]}`, field: "spec.ntpServers[0]", reason: "address or a host name"},
	{kind: "Partition", name: "the agent's console", spec: `{boot: {kernelArguments: ["console=ttyS1"]}}`, field: "spec.boot.kernelArguments", reason: "leave it out"},
	{kind: "Partition", name: "another init", spec: `{boot: {kernelArguments: [rdinit=/bin/sh]}}`, field: "spec.boot.kernelArguments", reason: "leave it out"},
	{kind: "Partition", name: "two arguments in one", spec: `{boot: {kernelArguments: ["nomodeset rdinit=/bin/sh"]}}`, field: "spec.boot.kernelArguments[0]", reason: "should match"},
	{kind: "Partition", name: "a variable of the boot loader", spec: `{boot: {kernelArguments: ["a=${net0/mac}"]}}`, field: "spec.boot.kernelArguments[0]", reason: "should match"},
	{kind: "Partition", name: "a management service without a port", spec: `{managementServices: [fra1.example.net]}`, field: "spec.managementServices[0]", reason: "should match"},

	{kind: "FilesystemLayout", name: "no partitions", spec: `{partitions: []}`, field: "spec.partitions", reason: "at least 1"},
	{kind: "FilesystemLayout", name: "a partition twice", spec: `{partitions: [{name: root, type: linux, sizeMiB: 1}, {name: root, type: linux}]}`, field: "spec.partitions[1]", reason: "Duplicate"},
	{kind: "FilesystemLayout", name: "an unknown type", spec: `{partitions: [{name: root, type: lvm}]}`, field: "spec.partitions[0].type", reason: "supported values"},
	{kind: "FilesystemLayout", name: "a negative size", spec: `{partitions: [{name: root, type: linux, sizeMiB: -1}]}`, field: "spec.partitions[0].sizeMiB", reason: "greater than or equal to 0"},
	{kind: "FilesystemLayout", name: "an unknown file system", spec: `{filesystems: [{partition: root, format: ntfs, path: /}]}`, field: "spec.filesystems[0].format", reason: "supported values"},
	{kind: "FilesystemLayout", name: "constraints without an image", spec: `{constraints: {images: []}}`, field: "spec.constraints.images", reason: "at least 1"},
	{kind: "FilesystemLayout", name: "a wrong range of versions", spec: `{constraints: {images: [{name: debian, versions: "~12"}]}}`, field: "spec.constraints.images[0].versions", reason: "should match"},
	{kind: "FilesystemLayout", name: "no disk has that size", spec: `{constraints: {minDiskGigabytes: 100, maxDiskGigabytes: 50}}`, field: "spec.constraints", reason: "below minDiskGigabytes"},
	{kind: "FilesystemLayout", name: "a size with capitals", spec: `{constraints: {sizes: [M1]}}`, field: "spec.constraints.sizes[0]", reason: "should match"},

	{kind: "DiscoveredHost", name: "nothing to tell it by", spec: `{bmcAddress: null}`, field: "spec", reason: "nothing tells this machine from others"},
	{kind: "DiscoveredHost", name: "an unknown source", spec: `{source: dream}`, field: "spec.source", reason: "supported values"},
	{kind: "DiscoveredHost", name: "accepted and ignored", spec: `{accept: {}, ignore: true}`, field: "spec", reason: "keep one of them"},
	{kind: "DiscoveredHost", name: "a MAC address in capitals", spec: `{bootMACAddress: "52:54:00:AB:CD:EF"}`, field: "spec.bootMACAddress", reason: "should match"},
}

// namespacedKinds have their bad objects in the test's namespace.
var namespacedKinds = []string{"DiscoveredHost", "Machine", "Quota", "Network", "IP", "Firewall"}

func TestBadObjectsAreRefused(t *testing.T) {
	const least = 60
	if len(badObjects) < least {
		t.Errorf("%d bad objects, at least %d are asked for", len(badObjects), least)
	}
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp)
	all := slices.Concat(badObjects, tenantBad, firewallBad)
	kinds := slices.Concat(slices.Collect(maps.Keys(goodObjects)), slices.Collect(maps.Keys(tenantObjects)))
	for _, kind := range kinds {
		if !slices.ContainsFunc(all, func(b badObject) bool { return b.kind == kind }) {
			t.Errorf("no bad object of kind %s", kind)
		}
		t.Run(kind+"/good", func(t *testing.T) {
			if _, err := create(t, client, ns, kind, "{}"); err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range all {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			_, err := create(t, client, ns, c.kind, c.spec)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("want it refused as invalid, have %v", err)
			}
			if !strings.Contains(err.Error(), c.field+":") || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("want the field %q and %q, have %v", c.field, c.reason, err)
			}
		})
	}
}

// create asks the API server for an object, without storing it.
func create(t *testing.T, client dynamic.Interface, ns, kind, change string) (*unstructured.Unstructured, error) {
	t.Helper()
	good, ok := goodObjects[kind]
	if !ok {
		good = tenantObjects[kind]
	}
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": ingot.GroupVersion.String(), "kind": kind, "spec": merged(parsed(t, good.spec), parsed(t, change))}}
	obj.SetName(good.name)
	var to dynamic.ResourceInterface = client.Resource(ingot.GroupVersion.WithResource(good.resource))
	if slices.Contains(namespacedKinds, kind) {
		to = client.Resource(ingot.GroupVersion.WithResource(good.resource)).Namespace(ns)
	}
	return to.Create(t.Context(), obj, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// TestTenantsNetworksAreCutFromAProviders: what says where everybody's addresses come from is not made in a project.
func TestTenantsNetworksAreCutFromAProviders(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client := dynamicClient(t, cp)
	clients, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	project := projectNamespace(t, clients)
	const cut = `childPrefixLength: null, prefixes: null, parent: {name: internal, namespace: networks}`
	for _, c := range []struct{ change, refused string }{
		{`{type: Super}`, "Super networks are made by a provider"},
		{`{type: External, childPrefixLength: null}`, "External networks are made by a provider"},
		{`{type: Underlay, childPrefixLength: null}`, "Underlay networks are made by a provider"},
		{`{type: Child, ` + cut + `}`, ""}, {`{type: Shared, ` + cut + `}`, ""},
	} {
		_, err := create(t, client, project, "Network", c.change)
		if c.refused == "" && err != nil || c.refused != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s in a project: %v, want %q", c.change, err, c.refused)
		}
		if _, err := create(t, client, "default", "Network", c.change); err != nil {
			t.Errorf("%s of a provider: %v", c.change, err)
		}
	}
}

// TestNamesOfSizesAndWhatImagesMean: what a merge into the spec cannot say.
func TestNamesOfSizesAndWhatImagesMean(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client := dynamicClient(t, cp)
	size := &unstructured.Unstructured{Object: map[string]any{"apiVersion": ingot.GroupVersion.String(), "kind": "Size", "spec": parsed(t, goodObjects["Size"].spec)}}
	for _, name := range []string{"m1.small", strings.Repeat("m", 64)} {
		size.SetName(name)
		_, err := client.Resource(ingot.GroupVersion.WithResource("sizes")).Create(t.Context(), size, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "metadata.name") {
			t.Errorf("a size named %s: %v", name, err)
		}
	}

	images := client.Resource(ingot.GroupVersion.WithResource("images"))
	image := &unstructured.Unstructured{Object: map[string]any{"apiVersion": ingot.GroupVersion.String(), "kind": "Image", "spec": parsed(t, goodObjects["Image"].spec)}}
	image.SetName("debian-12.1")
	stored, err := images.Create(t.Context(), image, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := images.Delete(context.WithoutCancel(t.Context()), "debian-12.1", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	for field, change := range map[string]string{
		"spec.digest": `{digest: "sha256:` + strings.Repeat("0", 64) + `"}`, "spec.format": `{format: raw}`, "": `{url: "https://other.example.net/debian.qcow2", classification: deprecated}`,
	} {
		next := stored.DeepCopy()
		next.Object["spec"] = merged(parsed(t, goodObjects["Image"].spec), parsed(t, change))
		_, err := images.Update(t.Context(), next, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
		switch {
		case field == "" && err != nil:
			t.Errorf("an image that moves: %v", err)
		case field != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), "make another version")):
			t.Errorf("%s changes: %v", field, err)
		}
	}
}

// TestExamplesAreAccepted holds the examples of this API's kinds to the API server.
func TestExamplesAreAccepted(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp)
	resources := map[string]schema.GroupVersionResource{}
	for kind, good := range goodObjects {
		resources[kind] = ingot.GroupVersion.WithResource(good.resource)
	}
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := map[string]int{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := apply.Read(f)
		_ = f.Close()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, object := range objects {
			resource, ok := resources[object.GetKind()]
			if !ok {
				continue
			}
			seen[object.GetKind()]++
			var to dynamic.ResourceInterface = client.Resource(resource)
			if object.GetNamespace() != "" {
				to = client.Resource(resource).Namespace(ns)
				object.SetNamespace(ns)
			}
			if _, err := to.Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	for _, kind := range []string{"Size", "Image", "ImageTrust", "Partition", "FilesystemLayout"} {
		if seen[kind] == 0 {
			t.Errorf("no example of a %s", kind)
		}
	}
}
