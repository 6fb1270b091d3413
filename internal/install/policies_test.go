package install_test

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

var hosts = schema.GroupVersionResource{Group: "metal3.io", Version: "v1alpha1", Resource: "baremetalhosts"}

// goodHost is a host that everything is right with; each bad one differs from it in one thing.
const goodHost = `
online: true
bootMACAddress: 52:54:00:12:34:56
bmc: {address: "redfish-virtualmedia://10.0.0.5:8000/redfish/v1/Systems/1", credentialsName: bmc}
rootDeviceHints: {deviceName: /dev/sda}
image: {url: "https://images.example.com/debian.qcow2", checksum: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", checksumType: sha256, format: qcow2}
userData: {name: user}
`

const (
	sha512Text = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
	pinned     = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	md5Text    = "d41d8cd98f00b204e9800998ecf8427e"
)

// badHosts: what is changed (a merge of YAML into the good one's spec, or annotations), and the field that the refusal must begin with.
var badHosts = []struct {
	name, spec  string
	annotations map[string]string
	field       string
}{
	{name: "address is no URL", spec: `{bmc: {address: "redfish://10.0.0.5:port/", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "address with a control character", spec: `{bmc: {address: "redfish://10.0.0.5/\x01", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "unknown scheme", spec: `{bmc: {address: "telnet://10.0.0.5", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "removed driver", spec: `{bmc: {address: "irmc://10.0.0.5", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "ftp variant", spec: `{bmc: {address: "redfish+ftp://10.0.0.5", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "ipmi over https", spec: `{bmc: {address: "ipmi+https://10.0.0.5", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "no host", spec: `{bmc: {address: "redfish:///redfish/v1/Systems/1", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "underscore in host", spec: `{bmc: {address: "redfish://bmc_1/redfish/v1/Systems/1", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "host ends with a dash", spec: `{bmc: {address: "redfish://bmc-/", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "port too large", spec: `{bmc: {address: "redfish://10.0.0.5:70000/", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "password in the address", spec: `{bmc: {address: "redfish://root:calvin@10.0.0.5/", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "query in the address", spec: `{bmc: {address: "redfish://10.0.0.5/?x=1", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "bare host with a space", spec: `{bmc: {address: "10.0.0.5 623", credentialsName: bmc}}`, field: "spec.bmc.address"},
	{name: "no credentials", spec: `{bmc: {address: "redfish://10.0.0.5/", credentialsName: ""}}`, field: "spec.bmc.credentialsName"},
	{name: "credentials of another namespace", spec: `{bmc: {address: "redfish://10.0.0.5/", credentialsName: kube-system/admin}}`, field: "spec.bmc.credentialsName"},

	{name: "MAC with dashes", spec: `{bootMACAddress: 52-54-00-12-34-56}`, field: "spec.bootMACAddress"},
	{name: "MAC too long", spec: `{bootMACAddress: "52:54:00:12:34:56:78"}`, field: "spec.bootMACAddress"},
	{name: "MAC with text around it", spec: `{bootMACAddress: "mac 52:54:00:12:34:56"}`, field: "spec.bootMACAddress"},
	{name: "multicast MAC", spec: `{bootMACAddress: "01:00:5e:00:00:01"}`, field: "spec.bootMACAddress"},
	{name: "zero MAC", spec: `{bootMACAddress: "00:00:00:00:00:00"}`, field: "spec.bootMACAddress"},
	{name: "PXE without MAC", spec: `{bootMACAddress: "", bmc: {address: "redfish://10.0.0.5/", credentialsName: bmc}}`, field: "spec.bootMACAddress"},
	{name: "IPMI without MAC", spec: `{bootMACAddress: "", bmc: {address: "10.0.0.5", credentialsName: bmc}}`, field: "spec.bootMACAddress"},
	{name: "IPMI without MAC, inspected by its BMC", spec: `{bootMACAddress: null, inspectionMode: fast, bmc: {address: "ipmi://10.0.0.5", credentialsName: bmc}}`, field: "spec.inspectionMode"},
	{name: "unknown inspection mode", spec: `{inspectionMode: slow}`, field: "spec.inspectionMode"},
	{name: "no MAC and no inspection", spec: `{bootMACAddress: "", inspectionMode: disabled}`, field: "spec.bootMACAddress"},
	{name: "secure boot by IPMI", spec: `{bootMode: UEFISecureBoot, bmc: {address: "ipmi://10.0.0.5", credentialsName: bmc}}`, field: "spec.bootMode"},
	{name: "unknown boot mode", spec: `{bootMode: BIOS}`, field: "spec.bootMode"},

	{name: "both kinds of RAID", spec: `{raid: {hardwareRAIDVolumes: [{level: "1"}], softwareRAIDVolumes: [{level: "1"}]}}`, field: "spec.raid"},
	{name: "hardware RAID by IPMI", spec: `{raid: {hardwareRAIDVolumes: [{level: "1"}]}, bmc: {address: "ipmi://10.0.0.5", credentialsName: bmc}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "disks without controller", spec: `{raid: {hardwareRAIDVolumes: [{level: "1", physicalDisks: [a, b]}]}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "RAID level 2", spec: `{raid: {hardwareRAIDVolumes: [{level: "2"}]}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "too few disks for a level", spec: `{raid: {hardwareRAIDVolumes: [{level: "5", numberOfPhysicalDisks: 2}]}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "too many disks for a mirror", spec: `{raid: {hardwareRAIDVolumes: [{level: "1", controller: c, physicalDisks: [a, b, d]}]}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "an odd number of disks", spec: `{raid: {hardwareRAIDVolumes: [{level: "1+0", numberOfPhysicalDisks: 5}]}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "wrong number of disks", spec: `{raid: {hardwareRAIDVolumes: [{level: "1", controller: c, physicalDisks: [a, b], numberOfPhysicalDisks: 3}]}}`, field: "spec.raid.hardwareRAIDVolumes"},
	{name: "unknown RAID level", spec: `{raid: {softwareRAIDVolumes: [{level: "7"}]}}`, field: "spec.raid.softwareRAIDVolumes[0].level"},

	{name: "device outside of /dev", spec: `{rootDeviceHints: {deviceName: sda}}`, field: "spec.rootDeviceHints.deviceName"},
	{name: "device in a folder", spec: `{rootDeviceHints: {deviceName: /dev/mapper/vg}}`, field: "spec.rootDeviceHints.deviceName"},
	{name: "device climbs out", spec: `{rootDeviceHints: {deviceName: /dev/../etc/passwd}}`, field: "spec.rootDeviceHints.deviceName"},
	{name: "hctl is no address", spec: `{rootDeviceHints: {hctl: "0:0"}}`, field: "spec.rootDeviceHints.hctl"},
	{name: "negative size", spec: `{rootDeviceHints: {minSizeGigabytes: -1}}`, field: "spec.rootDeviceHints.minSizeGigabytes"},

	{name: "image is no URL", spec: `{image: {url: debian.qcow2}}`, field: "spec.image.url"},
	{name: "image is a local file", spec: `{image: {url: "file:///etc/shadow"}}`, field: "spec.image.url"},
	{name: "image without host", spec: `{image: {url: "http:///debian.qcow2"}}`, field: "spec.image.url"},
	{name: "image from the metadata service", spec: `{image: {url: "http://169.254.169.254/latest"}}`, field: "spec.image.url"},
	{name: "image from a link-local address", spec: `{image: {url: "http://[fe80::1]/x"}}`, field: "spec.image.url"},
	{name: "image with a password", spec: `{image: {url: "https://me:secret@images.example.com/x"}}`, field: "spec.image.url"},
	{name: "image without checksum", spec: `{image: {checksum: ""}}`, field: "spec.image.checksum"},
	{name: "checksum is no digest", spec: `{image: {checksum: "abc"}}`, field: "spec.image.checksum"},
	{name: "checksum of another kind", spec: `{image: {checksum: "` + md5Text + `"}}`, field: "spec.image.checksum"},
	{name: "sums file on disk", spec: `{image: {checksum: "file:///sums"}}`, field: "spec.image.checksum"},
	{name: "unknown format", spec: `{image: {format: iso}}`, field: "spec.image.format"},
	{name: "registry credentials for HTTP", spec: `{image: {ociAuthSecretName: registry}}`, field: "spec.image.ociAuthSecretName"},

	{name: "dead firmware field", spec: `{firmware: {sriovEnabled: true}}`, field: "spec.firmware"},
	{name: "off but must not be off", spec: `{online: false, disablePowerOff: true}`, field: "spec.online"},
	{name: "user data of another namespace", spec: `{userData: {name: user, namespace: kube-system}}`, field: "spec.userData.namespace"},
	{name: "network data of another namespace", spec: `{networkData: {name: net, namespace: kube-system}}`, field: "spec.networkData.namespace"},
	{name: "metadata of another namespace", spec: `{metaData: {name: meta, namespace: kube-system}}`, field: "spec.metaData.namespace"},
	{name: "network data without a name", spec: `{networkData: {name: ""}}`, field: "spec.userData, spec.networkData, spec.metaData"},
	{name: "ramdisk network of another namespace", spec: `{preprovisioningNetworkDataName: other/net}`, field: "spec.preprovisioningNetworkDataName"},
	{name: "unknown cleaning mode", spec: `{automatedCleaningMode: full}`, field: "spec.automatedCleaningMode"},

	{name: "certificate that is no digest", annotations: map[string]string{"ingot.dev/bmc-certificate": "AA:BB"}, field: "metadata.annotations[ingot.dev/bmc-certificate]"},
	{name: "certificate of IPMI", spec: `{bmc: {address: "ipmi://10.0.0.5", credentialsName: bmc}}`, annotations: map[string]string{"ingot.dev/bmc-certificate": pinned}, field: "metadata.annotations[ingot.dev/bmc-certificate]"},
	{name: "certificate of a bare address", spec: `{bmc: {address: "10.0.0.5", credentialsName: bmc}}`, annotations: map[string]string{"ingot.dev/bmc-certificate": pinned}, field: "metadata.annotations[ingot.dev/bmc-certificate]"},
	{name: "certificate of plain HTTP", spec: `{bmc: {address: "redfish+http://10.0.0.5/redfish/v1/Systems/1", credentialsName: bmc}}`, annotations: map[string]string{"ingot.dev/bmc-certificate": pinned}, field: "metadata.annotations[ingot.dev/bmc-certificate]"},
	{name: "reboot mode", annotations: map[string]string{"reboot.metal3.io": `{"mode": "warm"}`}, field: "metadata.annotations[reboot.metal3.io]"},
	{name: "reboot is no JSON", annotations: map[string]string{"reboot.metal3.io/key": `now`}, field: "metadata.annotations[reboot.metal3.io]"},
	{name: "reboot with a stray field", annotations: map[string]string{"reboot.metal3.io": `{"mode": "hard", "when": "now"}`}, field: "metadata.annotations[reboot.metal3.io]"},
	{name: "detached action", annotations: map[string]string{"baremetalhost.metal3.io/detached": `{"deleteAction": "wipe"}`}, field: "metadata.annotations[baremetalhost.metal3.io/detached]"},
	{name: "inspect value", annotations: map[string]string{"inspect.metal3.io": "please"}, field: "metadata.annotations[inspect.metal3.io]"},
	{name: "inspect contradicts", annotations: map[string]string{"inspect.metal3.io": "disabled"}, spec: `{inspectionMode: agent}`, field: "metadata.annotations[inspect.metal3.io]"},
	{name: "details would be overwritten", annotations: map[string]string{"inspect.metal3.io/hardwaredetails": `{"cpu": {}}`}, field: "metadata.annotations[inspect.metal3.io/hardwaredetails]"},
	{name: "details are no JSON", annotations: map[string]string{"inspect.metal3.io/hardwaredetails": `8 CPUs`}, spec: `{inspectionMode: disabled}`, field: "metadata.annotations[inspect.metal3.io/hardwaredetails]"},
	{name: "status is no JSON", annotations: map[string]string{"baremetalhost.metal3.io/status": `provisioned`}, field: "metadata.annotations[baremetalhost.metal3.io/status]"},
	{name: "status with an unknown operational status", annotations: map[string]string{"baremetalhost.metal3.io/status": `{"operationalStatus": "fine"}`}, field: "metadata.annotations[baremetalhost.metal3.io/status]"},
	{name: "status with an unknown error type", annotations: map[string]string{"baremetalhost.metal3.io/status": `{"errorType":"bad luck"}`}, field: "metadata.annotations[baremetalhost.metal3.io/status]"},
}

func TestBadHostsAreRefused(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp)
	for i, c := range badHosts {
		t.Run(c.name, func(t *testing.T) {
			if c.spec == "" {
				c.spec = "{}"
			}
			obj := hostOf(t, ns, fmt.Sprintf("bad-%d", i), c.spec, c.annotations)
			_, err := client.Resource(hosts).Namespace(ns).Create(t.Context(), obj, metav1.CreateOptions{})
			checkRefusal(t, err, c.field)
		})
	}
	t.Run("a UUID as name", func(t *testing.T) {
		obj := hostOf(t, ns, "0b7f4e6c-8d7e-4a0e-9a43-2f0c3c6d1e2a", "{}", nil)
		_, err := client.Resource(hosts).Namespace(ns).Create(t.Context(), obj, metav1.CreateOptions{})
		checkRefusal(t, err, "metadata.name")
	})
	list, err := client.Resource(hosts).Namespace(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("want no host stored, have %d (%v)", len(list.Items), err)
	}
}

// goodHosts must be accepted: each is something that Metal3's users do.
var goodHosts = []struct {
	name, spec  string
	annotations map[string]string
}{
	{name: "as it is", spec: `{}`},
	{name: "with a pinned certificate", spec: `{}`, annotations: map[string]string{"ingot.dev/bmc-certificate": pinned}},
	{name: "with the next certificate pinned too", spec: `{bmc: {address: "idrac-redfish+https://10.0.0.5", credentialsName: bmc}}`, annotations: map[string]string{"ingot.dev/bmc-certificate": pinned + "," + pinned}},
	{name: "without a BMC", spec: `{bmc: null, bootMACAddress: null, image: null}`},
	{name: "empty BMC, as Go clients write it", spec: `{bmc: {address: "", credentialsName: ""}, image: null}`},
	{name: "virtual media without MAC", spec: `{bootMACAddress: null}`},
	{name: "IPv6 and port", spec: `{bmc: {address: "redfish+http://[fd00::5]:8000/redfish/v1/Systems/1", credentialsName: bmc}}`},
	{name: "DNS name", spec: `{bmc: {address: "idrac-virtualmedia+https://bmc-1.example.com", credentialsName: bmc}}`},
	{name: "bare host", spec: `{bmc: {address: "10.0.0.5", credentialsName: bmc}}`},
	{name: "bare host and port", spec: `{bmc: {address: "10.0.0.5:623", credentialsName: bmc}}`},
	{name: "bare name and port", spec: `{bmc: {address: "bmc1:623", credentialsName: bmc}}`},
	{name: "scheme without slashes", spec: `{bmc: {address: "ipmi:10.0.0.5:6233", credentialsName: bmc}}`},
	{name: "libvirt", spec: `{bmc: {address: "libvirt://192.168.122.1:6233/", credentialsName: bmc}}`},
	{name: "PXE without MAC, inspected by its BMC", spec: `{bootMACAddress: null, inspectionMode: fast, bmc: {address: "redfish://10.0.0.5/", credentialsName: bmc}}`},
	{name: "upper case MAC", spec: `{bootMACAddress: "52:54:00:AB:CD:EF"}`},
	{name: "sums file", spec: `{image: {checksum: "https://images.example.com/SHA256SUMS"}}`},
	{name: "automatic checksum type", spec: `{image: {checksum: "` + sha512Text + `", checksumType: auto}}`},
	{name: "md5, of a host moved from Metal3", spec: `{image: {checksum: "` + md5Text + `", checksumType: md5}}`},
	{name: "live ISO without checksum", spec: `{image: {url: "http://10.0.0.9/live.iso", checksum: null, checksumType: null, format: live-iso}}`},
	{name: "OCI image", spec: `{image: {url: "oci://registry.example.com/debian:12", checksum: null, checksumType: null, format: null, ociAuthSecretName: registry}}`},
	{name: "custom deploy", spec: `{image: null, customDeploy: {method: install_coreos}}`},
	{name: "disk by path", spec: `{rootDeviceHints: {deviceName: "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", hctl: "0:0:0:0", minSizeGigabytes: 10, rotational: false}}`},
	{name: "hardware RAID", spec: `{raid: {hardwareRAIDVolumes: [{level: "1", controller: c, physicalDisks: [a, b], numberOfPhysicalDisks: 2}]}}`},
	{name: "software RAID alone, as a client in Go writes it", spec: `{raid: {hardwareRAIDVolumes: null, softwareRAIDVolumes: [{level: "1"}]}}`},
	{name: "hardware RAID alone, as a client in Go writes it", spec: `{raid: {hardwareRAIDVolumes: [{level: "1"}], softwareRAIDVolumes: null}}`},
	{name: "hardware RAID of all levels", spec: `{raid: {hardwareRAIDVolumes: [{level: "0", numberOfPhysicalDisks: 1}, {level: "6", numberOfPhysicalDisks: 5}, {level: "1+0", numberOfPhysicalDisks: 6}, {level: "5+0"}, {level: "6+0", numberOfPhysicalDisks: 8}]}}`},
	{name: "both RAID lists empty", spec: `{raid: {hardwareRAIDVolumes: [], softwareRAIDVolumes: []}}`},
	{name: "externally provisioned at creation", spec: `{externallyProvisioned: true, image: null}`},
	{name: "dead fields that upstream ignores", spec: `{hardwareProfile: libvirt, taints: [{key: a, effect: NoSchedule}]}`},
	{name: "disable power off", spec: `{disablePowerOff: true}`},
	{name: "secure boot by Redfish", spec: `{bootMode: UEFISecureBoot}`},
	{name: "annotations", spec: `{inspectionMode: disabled}`, annotations: map[string]string{
		"reboot.metal3.io":                  "",
		"reboot.metal3.io/key":              ` {"force": false, "mode": "soft"} `,
		"reboot.metal3.io/other":            `{}`,
		"baremetalhost.metal3.io/paused":    "metal3.io/capm3",
		"baremetalhost.metal3.io/detached":  `{"deleteAction":"delay","force":true}`,
		"inspect.metal3.io":                 "disabled",
		"inspect.metal3.io/hardwaredetails": `{"cpu": {"count": 4}, "nics": []}`,
		"baremetalhost.metal3.io/status":    `{"operationalStatus":"servicing","errorType":"detach error","provisioning":{"state":"provisioned","ID":""},"poweredOn":true}`,
	}},
	{name: "detached by any text", annotations: map[string]string{"baremetalhost.metal3.io/detached": "true", "rebooted": "{"}, spec: `{}`},
}

func TestGoodHostsAreAccepted(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp)
	for i, c := range goodHosts {
		t.Run(c.name, func(t *testing.T) {
			obj := hostOf(t, ns, fmt.Sprintf("good-%d", i), c.spec, c.annotations)
			if _, err := client.Resource(hosts).Namespace(ns).Create(t.Context(), obj, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkRefusal wants an Invalid error that names the field and, when it is one of our rules, says what to do after a second colon.
func checkRefusal(t *testing.T, err error, field string) {
	t.Helper()
	if !apierrors.IsInvalid(err) {
		t.Fatalf("want it refused as invalid, have %v", err)
	}
	_, ours, isOurs := strings.Cut(err.Error(), "denied request: ")
	if !isOurs {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("want the field %s named, have %v", field, err)
		}
		return
	}
	said, rest, ok := strings.Cut(ours, ": ")
	if !ok || said != field {
		t.Errorf("want the field %s named first, have %q", field, ours)
	}
	if !strings.Contains(rest, ": ") {
		t.Errorf("the refusal does not say what to do: %q", ours)
	}
}

func dynamicClient(t *testing.T, cp *controlplanetest.Server) *dynamic.DynamicClient {
	t.Helper()
	client, err := dynamic.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func hostOf(t *testing.T, ns, name, change string, annotations map[string]string) *unstructured.Unstructured {
	t.Helper()
	spec := merged(parsed(t, goodHost), parsed(t, change))
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "metal3.io/v1alpha1", "kind": "BareMetalHost", "spec": spec}}
	obj.SetNamespace(ns)
	obj.SetName(name)
	obj.SetAnnotations(annotations)
	return obj
}

// merged is a JSON merge patch (RFC 7396).
func merged(base, change map[string]any) map[string]any {
	for key, value := range change {
		inner, isMap := value.(map[string]any)
		old, wasMap := base[key].(map[string]any)
		switch {
		case value == nil:
			delete(base, key)
		case isMap && wasMap:
			base[key] = merged(old, inner)
		default:
			base[key] = value
		}
	}
	return base
}
