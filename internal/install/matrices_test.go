package install_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

var matrices = schema.GroupVersionResource{Group: "ingot.dev", Version: "v1alpha1", Resource: "communicationmatrices"}

// goodFlow is what each bad one differs from in one thing, by a merge.
const goodFlow = `{id: "1.1", name: one, from: a@z, to: "*@*", protocol: tcp, ports: [443, 8000-8100], application: HTTPS, confidential: {state: Holds, how: TLS}}`

// badFlows: what is changed, and the field or the words that the API server's refusal has.
var badFlows = map[string]struct{ change, want string }{
	"no ID":                    {`{id: null}`, "id"},
	"ID with a space":          {`{id: "1 1"}`, "id"},
	"name in capitals":         {`{name: One}`, "name"},
	"end without zone":         {`{from: a}`, "from"},
	"protocol in capitals":     {`{protocol: TCP}`, "protocol"},
	"protocol 256":             {`{protocol: "256"}`, "protocol"},
	"unknown application":      {`{application: Gopher}`, "application"},
	"port 0":                   {`{ports: [0]}`, "a port is 1 to 65535"},
	"port 65536":               {`{ports: [65536]}`, "a port is 1 to 65535"},
	"port in words":            {`{ports: [https]}`, "ports[0]"},
	"no port in the list":      {`{ports: []}`, "ports"},
	"ports of ICMP":            {`{protocol: icmp}`, "only tcp, udp, sctp and udplite have ports"},
	"ICMP types of TCP":        {`{icmpTypes: [8]}`, "only icmp and icmpv6 have ICMP types"},
	"ICMP type 256":            {`{protocol: icmp, ports: null, icmpTypes: [256]}`, "icmpTypes[0]"},
	"state in small letters":   {`{confidential: {state: holds}}`, "confidential.state"},
	"bound of what holds":      {`{confidential: {bound: x}}`, "bounds are for exceptions"},
	"how of the unknown":       {`{confidential: {state: Unknown}}`, "what is unknown has no how"},
	"enforced in words":        {`{enforced: in}`, "enforced"},
	"right without verbs":      {`{rights: [{resources: [pods]}]}`, "verbs"},
	"right to both":            {`{rights: [{resources: [pods], paths: [/x], verbs: [get]}]}`, "one of them"},
	"right to paths elsewhere": {`{rights: [{paths: [/x], verbs: [get], namespace: ns}]}`, "paths have no namespace"},
	"a purpose too long":       {`{purpose: "` + strings.Repeat("x", 1025) + `"}`, "purpose"},
}

func TestMatrices(t *testing.T) {
	cp := controlplanetest.Start(t)
	client, err := dynamic.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("bad ones are refused", func(t *testing.T) { refuseBadMatrices(t, client) })
	t.Run("good ones are stored", func(t *testing.T) { storeGoodMatrices(t, client) })
}

// refuseBadMatrices: the API server and package document refuse the same flows, so that whoever lints a file in CI is not surprised by the API.
func refuseBadMatrices(t *testing.T, client dynamic.Interface) {
	create := func(o *unstructured.Unstructured) error {
		_, err := client.Resource(matrices).Create(t.Context(), o, metav1.CreateOptions{FieldValidation: "Strict"})
		return err
	}
	if err := create(matrixOf(t, "good", `{}`)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for name, c := range badFlows {
		o := matrixOf(t, "bad", c.change)
		if err := create(o); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want it refused with %q, have: %v", name, c.want, err)
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := document.Decode(text); err == nil {
			t.Errorf("%s: the API refuses it, and package document reads it", name)
		}
	}
	for name, spec := range map[string]string{
		"site.one": `{}`, "with-title": `{extends: good, title: x}`, "itself": `{extends: itself}`, "twice": `{zones: [{name: a}, {name: a}]}`,
		"network": `{zones: [{name: a, networks: [10.0.0.0]}]}`, "interface": `{hosts: [{name: h, interfaces: [{name: ethernet-of-this-host, zone: z}]}]}`,
	} {
		o := matrixOf(t, name, `{}`)
		o.Object["spec"] = parsed(t, spec)
		if err := create(o); !apierrors.IsInvalid(err) {
			t.Errorf("%s: want it refused, have: %v", spec, err)
		}
	}
}

func matrixOf(t *testing.T, name, change string) *unstructured.Unstructured {
	t.Helper()
	flow := parsed(t, goodFlow)
	flow = merged(flow, parsed(t, change))
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "ingot.dev/v1alpha1", "kind": "CommunicationMatrix", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"zones": []any{map[string]any{"name": "z"}}, "roles": []any{map[string]any{"name": "a"}}, "flows": []any{flow}},
	}}
}

// storeGoodMatrices: what package document writes is stored and comes back, that is Ingot's own matrix, the examples, and 20,000 flows in parts.
func storeGoodMatrices(t *testing.T, client dynamic.Interface) {
	all := []matrix.Matrix{matrix.Own(), largeMatrix()}
	for _, name := range []string{"artesca", "metal-stack"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", name, "matrix.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := document.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	for _, m := range all {
		var back []*ingot.CommunicationMatrix
		for _, object := range document.Objects(m) {
			raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
			if err != nil {
				t.Fatal(err)
			}
			stored, err := client.Resource(matrices).Create(t.Context(), &unstructured.Unstructured{Object: raw}, metav1.CreateOptions{FieldValidation: "Strict"})
			if err != nil {
				t.Fatalf("%s: %v", object.Name, err)
			}
			one := &ingot.CommunicationMatrix{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, one); err != nil {
				t.Fatal(err)
			}
			back = append(back, one)
		}
		got, err := document.Join(back...)
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		want, err := document.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := document.Encode(got)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(again) {
			t.Errorf("%s is not what was stored", m.Name)
		}
	}
}

func largeMatrix() matrix.Matrix {
	m := matrix.Matrix{Name: "large", Zones: []matrix.ZoneDefinition{{Name: "z"}}}
	for i := range 1000 {
		m.Roles = append(m.Roles, matrix.RoleDefinition{Name: matrix.Role("role-" + strconv.Itoa(i))})
	}
	holds := matrix.Property{State: matrix.Holds, How: "mutual TLS"}
	for i := range 20000 {
		m.Rows = append(m.Rows, matrix.Row{
			ID: strconv.Itoa(i), Name: matrix.FlowName("flow-" + strconv.Itoa(i)),
			From: matrix.Endpoint{Role: m.Roles[i%1000].Name, Zone: "z"}, To: matrix.Endpoint{Role: m.Roles[(i/7)%1000].Name, Zone: "z"},
			Protocol: matrix.TCP, Ports: matrix.Port(uint16(1 + i)), Application: "HTTPS",
			Confidential: holds, Integrity: holds, Authenticated: holds, Trusted: holds, Purpose: "API requests",
		})
	}
	return m
}
