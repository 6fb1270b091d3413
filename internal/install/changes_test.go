package install_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

var changes = []struct {
	name          string
	state         string
	operational   string
	start, change string
	// field that is refused; empty: accepted.
	field string
}{
	{name: "MAC changes", state: "available", change: `{bootMACAddress: "52:54:00:00:00:01"}`, field: "spec.bootMACAddress"},
	{name: "MAC is removed", state: "available", change: `{bootMACAddress: null}`, field: "spec.bootMACAddress"},
	{name: "MAC in another case", state: "available", start: `{bootMACAddress: "52:54:00:ab:cd:ef"}`, change: `{bootMACAddress: "52:54:00:AB:CD:EF"}`},
	{name: "MAC is given later", state: "available", start: `{bootMACAddress: null}`, change: `{bootMACAddress: "52:54:00:12:34:56"}`},
	{name: "BMC moves while provisioned", state: "provisioned", change: `{bmc: {address: "redfish-virtualmedia://10.0.0.6/"}}`, field: "spec.bmc.address"},
	{name: "BMC is removed while available", state: "available", change: `{bmc: {address: "", credentialsName: ""}}`, field: "spec.bmc.address"},
	{name: "BMC moves while registering", state: "registering", change: `{bmc: {address: "redfish-virtualmedia://10.0.0.6/"}}`},
	{name: "BMC moves while detached", state: "provisioned", operational: "detached", change: `{bmc: {address: "redfish-virtualmedia://10.0.0.6/"}}`},
	{name: "BMC is given later", state: "unmanaged", start: `{bmc: null}`, change: `{bmc: {address: "redfish-virtualmedia://10.0.0.6/", credentialsName: bmc}}`},
	{name: "credentials change", state: "provisioned", change: `{bmc: {credentialsName: newer}}`},
	{name: "externally provisioned while provisioning", state: "provisioning", change: `{externallyProvisioned: true}`, field: "spec.externallyProvisioned"},
	{name: "externally provisioned while inspecting", state: "inspecting", change: `{externallyProvisioned: true}`, field: "spec.externallyProvisioned"},
	{name: "externally provisioned while available", state: "available", change: `{externallyProvisioned: true}`},
	{name: "no longer externally provisioned", state: "externally provisioned", start: `{externallyProvisioned: true}`, change: `{externallyProvisioned: false}`},
	{name: "image changes while provisioned", state: "provisioned", change: `{image: {url: "https://images.example.com/other.qcow2"}}`},
	{name: "bad image at a change", state: "provisioned", change: `{image: {url: "file:///etc/passwd"}}`, field: "spec.image.url"},
	{name: "turned off", state: "provisioned", change: `{online: false}`},
}

func TestChanges(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp).Resource(hosts).Namespace(ns)
	for i, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			start := c.start
			if start == "" {
				start = "{}"
			}
			obj := hostOf(t, ns, fmt.Sprintf("host-%d", i), start, nil)
			stored := storedIn(t, client, obj, c.state, c.operational)
			next := hostOf(t, ns, obj.GetName(), start, nil)
			stored.Object["spec"] = merged(next.Object["spec"].(map[string]any), parsed(t, c.change))
			_, err := client.Update(t.Context(), stored, metav1.UpdateOptions{})
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkRefusal(t, err, c.field)
		})
	}
}

// storedIn creates a host and puts it into a state, as the partition role does.
func storedIn(t *testing.T, client dynamic.ResourceInterface, obj *unstructured.Unstructured, state, operational string) *unstructured.Unstructured {
	t.Helper()
	stored, err := client.Create(t.Context(), obj, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stored.Object["status"] = map[string]any{
		"operationalStatus": operational, "errorMessage": "", "poweredOn": false, "errorCount": int64(0),
		"provisioning": map[string]any{"state": state, "ID": ""},
	}
	stored, err = client.UpdateStatus(t.Context(), stored, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// TestOldObjectsAreNotTrapped: an object that a stricter rule would refuse can still be labelled, reported on and deleted.
func TestOldObjectsAreNotTrapped(t *testing.T) {
	cp := controlplanetest.Start(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp)
	policies := client.Resource(policiesResource)
	const name = "ingot-baremetalhost-spec"
	if err := client.Resource(bindingsResource).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	bad := hostOf(t, ns, "old", `{firmware: {sriovEnabled: true}}`, nil)
	bad.SetFinalizers([]string{"baremetalhost.metal3.io"})
	var stored *unstructured.Unstructured
	eventually(t, "the policy without its binding to be out of effect", func() (err error) {
		stored, err = client.Resource(hosts).Namespace(ns).Create(t.Context(), bad, metav1.CreateOptions{})
		return err
	})
	if _, err := policies.Get(t.Context(), name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	cp.Stop(t)
	cp.Restart(t) // installs the binding again
	client = dynamicClient(t, cp)
	stored.SetLabels(map[string]string{"rack": "7"})
	stored, err := client.Resource(hosts).Namespace(ns).Update(t.Context(), stored, metav1.UpdateOptions{})
	if err != nil {
		t.Fatalf("label an old object: %v", err)
	}
	again := hostOf(t, ns, "newer", `{firmware: {sriovEnabled: true}}`, nil)
	_, err = client.Resource(hosts).Namespace(ns).Create(t.Context(), again, metav1.CreateOptions{})
	checkRefusal(t, err, "spec.firmware")
	if err := client.Resource(hosts).Namespace(ns).Delete(t.Context(), "old", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	stored, err = client.Resource(hosts).Namespace(ns).Get(t.Context(), "old", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stored.SetFinalizers(nil)
	if _, err := client.Resource(hosts).Namespace(ns).Update(t.Context(), stored, metav1.UpdateOptions{}); err != nil {
		t.Errorf("take the finalizer off an old object: %v", err)
	}
}

func TestOtherKinds(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	client := dynamicClient(t, cp)
	for spec, field := range map[string]string{
		`{hostName: h, destination: "https://receiver.example.com/", httpHeadersRef: {name: headers, namespace: kube-system}}`: "spec.httpHeadersRef.namespace",
		`{hostName: h, destination: "https://receiver.example.com"}`:                                                           "spec.destination",
		`{hostName: h, destination: "snmp://receiver.example.com/"}`:                                                           "spec.destination",
		`{hostName: h, destination: "https://user:password@receiver.example.com/"}`:                                            "spec.destination",
	} {
		subscription := &unstructured.Unstructured{Object: parsed(t, `{apiVersion: metal3.io/v1alpha1, kind: BMCEventSubscription, metadata: {name: events}, spec: `+spec+`}`)}
		_, err := client.Resource(hosts.GroupVersion().WithResource("bmceventsubscriptions")).Namespace(ns).Create(t.Context(), subscription, metav1.CreateOptions{})
		checkRefusal(t, err, field)
	}

	for _, field := range []string{"userData", "networkData", "metaData"} {
		claim := &unstructured.Unstructured{Object: parsed(t, `{apiVersion: metal3.io/v1alpha1, kind: HostClaim, metadata: {name: claim}, spec: {hostSelector: {}, poweredOn: true}}`)}
		claim.Object["spec"].(map[string]any)[field] = map[string]any{"name": "theirs", "namespace": "kube-system"}
		_, err := client.Resource(hosts.GroupVersion().WithResource("hostclaims")).Namespace(ns).Create(t.Context(), claim, metav1.CreateOptions{})
		checkRefusal(t, err, "spec."+field+".namespace")
	}

	partitions := client.Resource(ingot.GroupVersion.WithResource("partitions"))
	for name, c := range map[string]struct{ network, field string }{
		"no-cidr":   {`{dhcpMode: server}`, "spec.provisioningNetwork"},
		"bad-cidr":  {`{cidr: 10.0.0.0}`, "spec.provisioningNetwork.cidr"},
		"bad-range": {`{dhcpMode: server, cidr: 10.0.0.0/24, rangeStart: 10.0.0.10, rangeEnd: ten}`, "spec.provisioningNetwork.rangeStart, rangeEnd"},
		"outside":   {`{dhcpMode: server, cidr: 10.0.0.0/24, rangeStart: 10.0.0.10, rangeEnd: 10.0.1.10}`, "spec.provisioningNetwork.rangeStart, rangeEnd"},
		"gateway":   {`{gateway: router}`, "spec.provisioningNetwork.gateway"},
		"dns":       {`{dnsServers: [10.0.0.1, dns]}`, "spec.provisioningNetwork.dnsServers"},
		"boot":      {`{bootServer: boot.example.com}`, "spec.provisioningNetwork.bootServer"},
		"mode":      {`{dhcpMode: relay}`, "spec.provisioningNetwork.dhcpMode"},
		"good":      {`{dhcpMode: server, cidr: 10.0.0.0/24, rangeStart: 10.0.0.10, rangeEnd: 10.0.0.99, gateway: 10.0.0.1, dnsServers: [10.0.0.1], bootServer: 10.0.0.2}`, ""},
		"good-v6":   {`{dhcpMode: "off"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": ingot.GroupVersion.String(), "kind": "Partition",
				"spec": map[string]any{"provisioningNetwork": parsed(t, c.network)},
			}}
			obj.SetName(strings.ToLower(name))
			_, err := partitions.Create(t.Context(), obj, metav1.CreateOptions{})
			if c.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkRefusal(t, err, c.field)
		})
	}
}
