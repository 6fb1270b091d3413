package support

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

// pageSize is how many objects are asked for at once, so that a large site is read in pieces.
const pageSize = 500

// cluster adds what the API server has: its version and metrics, and every kind that can be listed.
func (b *bundle) cluster(ctx context.Context, s *session.Session) error {
	config, err := s.RESTConfig()
	if err != nil {
		b.problem("the API server", err)
		return nil
	}
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		b.problem("the API server", err)
		return nil
	}
	v, err := d.ServerVersion()
	if err != nil {
		b.problem("the API server", fmt.Errorf("ask %s for its version: %w", config.Host, err))
		return nil
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := b.add("server-version.json", text); err != nil {
		return err
	}
	if text, err := d.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx); err != nil {
		b.problem("metrics of the API server", err)
	} else if err := b.add("metrics/apiserver.prom", redactLines(text)); err != nil {
		return err
	}
	return b.kinds(ctx, config, d)
}

func (b *bundle) kinds(ctx context.Context, config *rest.Config, d discovery.DiscoveryInterface) error {
	lists, err := d.ServerPreferredResources()
	if err != nil {
		b.problem("some kinds", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	names, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			continue
		}
		for i := range l.APIResources {
			r := &l.APIResources[i]
			if strings.Contains(r.Name, "/") || !slices.Contains(r.Verbs, "list") {
				continue
			}
			if err := b.kind(ctx, objects, names, gv.WithResource(r.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// kind adds all objects of one kind. Of kinds whose objects are credentials, names and namespaces are asked for and nothing else.
func (b *bundle) kind(ctx context.Context, objects dynamic.Interface, names metadata.Interface, r schema.GroupVersionResource) error {
	of := audit.Object{Group: r.Group, Resource: r.Resource}
	file := "objects/" + r.Resource
	if r.Group != "" {
		file += "." + r.Group
	}
	var out bytes.Buffer
	n := 0
	one := func(text []byte) {
		out.Write(text)
		out.WriteByte('\n')
		n++
	}
	page := func(o metav1.ListOptions) (string, error) { return listObjects(ctx, objects, r, of, o, one) }
	if audit.Opaque(of) {
		file += "-names"
		page = func(o metav1.ListOptions) (string, error) { return listNames(ctx, names, r, o, one) }
	}
	o := metav1.ListOptions{Limit: pageSize}
	for {
		next, err := page(o)
		if err != nil {
			b.problem(file, err)
			break
		}
		if o.Continue = next; next == "" {
			break
		}
	}
	if n == 0 {
		return nil
	}
	return b.add(file+".jsonl", out.Bytes())
}

func listNames(ctx context.Context, names metadata.Interface, r schema.GroupVersionResource, o metav1.ListOptions, one func([]byte)) (string, error) {
	l, err := names.Resource(r).List(ctx, o)
	if err != nil {
		return "", err
	}
	for i := range l.Items {
		m := &l.Items[i]
		text, err := json.Marshal(map[string]any{"namespace": m.Namespace, "name": m.Name, "createdAt": m.CreationTimestamp})
		if err != nil {
			return "", err
		}
		one(text)
	}
	return l.Continue, nil
}

func listObjects(ctx context.Context, objects dynamic.Interface, r schema.GroupVersionResource, of audit.Object, o metav1.ListOptions, one func([]byte)) (string, error) {
	l, err := objects.Resource(r).List(ctx, o)
	if err != nil {
		return "", err
	}
	for i := range l.Items {
		text, err := l.Items[i].MarshalJSON()
		if err != nil {
			return "", err
		}
		one(audit.Redact(of, text))
	}
	return l.GetContinue(), nil
}

// healthPatience bounds one answer of a health endpoint, which is on loopback.
const healthPatience = 10 * time.Second

// metrics adds what a role's health endpoint says, where its log names one.
func (b *bundle) metrics(ctx context.Context, role string, log []byte) error {
	address := healthAddress(log)
	flow := matrix.HealthOf(matrix.Role(role))
	if address == "" || flow == "" {
		return nil
	}
	text, err := scrape(ctx, flow, address)
	if err != nil {
		b.problem("metrics of "+role, err)
		return nil
	}
	return b.add("metrics/"+role+".prom", redactLines(text))
}

// healthAddress is the last one that a log names.
func healthAddress(log []byte) string {
	address := ""
	for line := range bytes.Lines(log) {
		var entry struct{ Msg, Address string }
		if bytes.Contains(line, []byte("health endpoint open")) && json.Unmarshal(line, &entry) == nil && entry.Msg == "health endpoint open" {
			address = entry.Address
		}
	}
	return address
}

func scrape(ctx context.Context, flow matrix.FlowName, address string) (text []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	c := &http.Client{Transport: &http.Transport{DialContext: socket.Bind(matrix.Operator, matrix.Builtin(), kernel.Network{}).DialContext(flow), DisableKeepAlives: true}}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	a, err := c.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Body.Close()) }()
	if a.StatusCode != http.StatusOK {
		return nil, errors.New("answered " + strconv.Itoa(a.StatusCode))
	}
	return io.ReadAll(io.LimitReader(a.Body, 32<<20))
}
