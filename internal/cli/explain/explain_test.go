package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestWrite(t *testing.T) {
	a := Answer{Subject: "size c1", State: "Ready"}
	a.Say("Cores", "8")
	a.Say("GPUs", "")
	a.Help("narrow %s", "c2")
	a.Judge("last", false, "too small")
	for n := range 10 {
		a.Judge(fmt.Sprint("h", n), false, "too large")
	}
	a.Judge("this", true, "of this size")
	var b strings.Builder
	if err := a.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `What:        size c1
State:       Ready
Cores:       8
What helps:  narrow c2

+ this: of this size
- h0, h1, h2, h3, h4, h5, h6, h7 and 2 more: too large
- last: too small
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
}

// rights lets somebody list some kinds everywhere, others in a namespace only, and others nowhere.
type rights struct {
	client.Client
	everywhere, here string
	problem          error
}

func (r rights) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	kind := fmt.Sprintf("%T", list)
	o := (&client.ListOptions{}).ApplyOptions(opts)
	switch {
	case r.problem != nil:
		return r.problem
	case strings.Contains(r.everywhere, kind), o.Namespace != "" && strings.Contains(r.here, kind):
		return nil
	}
	return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", errors.New("no such right"))
}

func TestWhatMayNotBeReadIsNamed(t *testing.T) {
	lists := map[string]client.ObjectList{"IPs": &ingot.IPList{}, "machines": &ingot.MachineList{}, "networks": &ingot.NetworkList{}}
	const ips, machines, networks = "*v1alpha1.IPList", "*v1alpha1.MachineList", "*v1alpha1.NetworkList"
	for _, c := range []struct {
		r         rights
		namespace string
		unseen    string
	}{
		{rights{everywhere: ips + machines + networks}, "web", ""},
		{rights{here: ips + machines + networks}, "web", "IPs and machines and networks of other namespaces than web"},
		{rights{everywhere: ips, here: machines}, "web", "machines of other namespaces than web; networks"},
		{rights{everywhere: ips, here: machines}, "", "machines and networks"},
	} {
		unseen, err := Lists(t.Context(), c.r, c.namespace, lists)
		if err != nil || unseen != c.unseen {
			t.Errorf("%+v in %q: %q, %v; want %q", c.r, c.namespace, unseen, err, c.unseen)
		}
	}
	if _, err := Lists(t.Context(), rights{problem: errors.New("it is away")}, "web", lists); err == nil || !strings.Contains(err.Error(), "list IPs: it is away") {
		t.Errorf("an API server that is away: %v", err)
	}
}
