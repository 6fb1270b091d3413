package report_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/report"
	"github.com/ingotmetal/ingot/internal/node/source"
)

func client(objects ...runtime.Object) *dynamicfake.FakeDynamicClient {
	calico := func(name string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: "projectcalico.org", Version: "v3", Resource: name}
	}
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		calico("hostendpoints"): "HostEndpointList", calico("globalnetworkpolicies"): "GlobalNetworkPolicyList", calico("globalnetworksets"): "GlobalNetworkSetList",
		calico("networksets"): "NetworkSetList", calico("tiers"): "TierList", calico("profiles"): "ProfileList",
		{Group: "ingot.dev", Version: "v1alpha1", Resource: "communicationmatrices"}: "CommunicationMatrixList",
		{Version: "v1", Resource: "events"}:                                          "EventList",
	}, objects...)
}

func endpoint(confirmed int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "projectcalico.org/v3", "kind": "HostEndpoint",
		"metadata": map[string]any{
			"name": "a-eth0", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": map[string]any{"ingot.dev/revision": "r1"}, "managedFields": []any{},
		},
		"spec":   map[string]any{"node": "a", "interfaceName": "eth0", "expectedIPs": []any{"10.0.0.1"}},
		"status": map[string]any{"confirmed": confirmed},
	}}
}

func TestSourceReadsWhatTheAPIHas(t *testing.T) {
	c := client(endpoint(4))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	updates := make(chan source.Update)
	ended := make(chan error, 1)
	go func() {
		ended <- source.API{Client: c, Probe: 10 * time.Millisecond}.Run(ctx, func(u source.Update) {
			select {
			case updates <- u:
			case <-ctx.Done():
			}
		})
	}()
	u := <-updates
	if u.Err != nil || len(u.Policies.Objects.HostEndpoints) != 1 || u.Policies.Confirmed["a-eth0"] != 4 || u.Policies.Revisions["a-eth0"] != "r1" {
		t.Fatalf("first update: %+v", u)
	}
	if _, err := c.Resource(source.Endpoints()).Update(ctx, endpoint(5), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for u = range updates {
		if u.Err == nil && u.Policies.Confirmed["a-eth0"] == 5 {
			break
		}
	}
	// The API does not answer, and then it does.
	lost := make(chan struct{})
	c.PrependReactor("list", "hostendpoints", func(clienttesting.Action) (bool, runtime.Object, error) {
		select {
		case <-lost:
			return false, nil, nil
		default:
			return true, nil, context.DeadlineExceeded
		}
	})
	for u = range updates {
		if u.Err != nil {
			break
		}
	}
	close(lost)
	for u = range updates {
		if u.Err == nil {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func status(phase guard.Phase, generation uint32) node.Status {
	return node.Status{
		Node: "a", Decision: guard.Decision{Phase: phase, Reason: "because"}, Generation: generation, Endpoints: []node.Endpoint{{Name: "a-eth0", Interface: "eth0", Revision: "r1"}},
		Drift: []node.Drift{{Kind: node.DriftListener, What: "x", Row: "1.1"}}, Refused: 3, Accepted: 4,
	}
}

func TestReportWritesStatusAndEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(endpoint(9))
		r := report.New(c, 30*time.Second)
		send := func(s node.Status) (patches []map[string]any) {
			t.Helper()
			c.ClearActions()
			if err := r.Report(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			for _, a := range c.Actions() {
				if p, ok := a.(clienttesting.PatchAction); ok {
					var body struct{ Status map[string]any }
					if p.GetSubresource() != "status" || json.Unmarshal(p.GetPatch(), &body) != nil {
						t.Fatalf("patch %s of %q", p.GetPatch(), p.GetSubresource())
					}
					patches = append(patches, body.Status)
				}
			}
			return patches
		}
		trying := status(guard.PhaseTrial, 9)
		trying.Attempt = guard.Attempt{Version: guard.Version{Generation: 9}, Outcome: guard.Running, Deadline: time.Now().Add(time.Minute)}
		first := send(trying)
		if len(first) != 1 {
			t.Fatalf("%d patches", len(first))
		}
		if confirmed, there := first[0]["confirmed"]; !there || confirmed != nil {
			t.Error("a trial begins, and the number of an earlier life stays")
		}
		if trial, _ := first[0]["trial"].(map[string]any); trial["generation"] != 9.0 || first[0]["phase"] != "Trial" {
			t.Errorf("status %v", first[0])
		}
		if again := send(trying); len(again) != 0 {
			t.Errorf("the same status is written again: %v", again)
		}
		trying.Refused++
		if soon := send(trying); len(soon) != 0 {
			t.Errorf("a counter is written at once: %v", soon)
		}
		time.Sleep(30 * time.Second)
		trying.Rows = []node.RowTraffic{
			{Matrix: "shop", Row: "1.1", Since: time.Now().Add(-time.Hour), Last: time.Now()}, {Row: "1.2", Since: time.Now()}, {Row: strings.Repeat("9", 300), Since: time.Now()},
		}
		later := send(trying)
		if len(later) != 1 {
			t.Fatalf("counters are not written after a while: %v", later)
		}
		minute := func(at time.Time) string { return at.UTC().Truncate(time.Minute).Format(time.RFC3339) }
		want := []any{map[string]any{"matrix": "shop", "row": "1.1", "since": minute(time.Now().Add(-time.Hour)), "last": minute(time.Now())}, map[string]any{"row": "1.2", "since": minute(time.Now())}}
		if !reflect.DeepEqual(later[0]["rows"], want) {
			t.Errorf("rows %v, want %v", later[0]["rows"], want)
		}
		if _, there := later[0]["confirmed"]; there {
			t.Error("the confirmation of the running trial is taken away")
		}
		done := send(status(guard.PhaseConfirmed, 9))
		if len(done) != 1 || done[0]["trial"] != nil || done[0]["phase"] != "Confirmed" {
			t.Errorf("status %v", done)
		}
		events, err := c.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace("default").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(events.Items) == 0 {
			t.Errorf("events %v, %v", events, err)
		}
	})
}

func TestDropsAreToldOfTheEndpointThatRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := endpoint(0)
		others.SetName("a-others")
		c := client(endpoint(0), others)
		r := report.New(c, 30*time.Second)
		s := status(guard.PhaseConfirmed, 9)
		s.Endpoints = []node.Endpoint{{Name: "a-eth0", Interface: "eth0"}, {Name: "a-others", Interface: "*"}}
		drop := func(in string, port uint16) node.Drop {
			return node.Drop{
				From: netip.MustParseAddr("192.0.2.9"), To: netip.MustParseAddr("10.0.0.1"), Who: "set clients", Protocol: "tcp", Port: port, Hook: "input", Interface: in, By: "tier/default/end",
				Packets: 3, Last: time.Now(), Fix: strings.Repeat("x", 3000),
			}
		}
		s.Drops = []node.Drop{drop("eth0", 22), drop("eth9", 23), drop("eth0", 24)}
		if err := r.Report(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		var ports [][]int32
		for _, a := range c.Actions() {
			p, ok := a.(clienttesting.PatchAction)
			if !ok {
				continue
			}
			var body struct{ Status calico.HostEndpointStatus }
			if err := json.Unmarshal(p.GetPatch(), &body); err != nil {
				t.Fatal(err)
			}
			var own []int32
			for _, d := range body.Status.Drops {
				own = append(own, d.Port)
				if d.From != "192.0.2.9" || d.Who != "set clients" || d.By != "tier/default/end" || d.Packets != 3 || d.Last.IsZero() || len(d.Fix) > 1024 {
					t.Errorf("told: %+v", d)
				}
			}
			ports = append(ports, own)
		}
		if want := [][]int32{{22, 24}, {23}}; !reflect.DeepEqual(ports, want) {
			t.Errorf("drops at ports %v, want %v: those of its own interface, and all others at *", ports, want)
		}
	})
}
