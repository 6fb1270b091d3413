package discover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/discover"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controller/discovery"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

const site = "site1"

// operator is somebody at a terminal, beside a partition role's controller of what was found.
type operator struct {
	t      *testing.T
	cp     *controlplanetest.Server
	client client.Client
	dir    string
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	cp := controlplanetest.Shared(t)
	o := &operator{t: t, cp: cp, dir: t.TempDir()}
	var err error
	if o.client, err = client.New(cp.Admin, client.Options{Scheme: host.Scheme()}); err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "rack7"}},
		&ingot.Partition{ObjectMeta: metav1.ObjectMeta{Name: site}, Spec: ingot.PartitionSpec{ProvisioningNetwork: ingot.ProvisioningNetwork{DHCPMode: ingot.DHCPOff}}},
	} {
		if err := o.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	cp.BindHosts(t, "rack7")
	return o
}

func (o *operator) startPartition() {
	o.t.Helper()
	role := o.cp.As(o.t, "partition", site)
	h, err := rest.HTTPClientFor(role)
	if err != nil {
		o.t.Fatal(err)
	}
	mgr, err := manager.New(role, manager.Options{
		Scheme: host.Scheme(), Cache: host.Caches(h), Client: host.CachedClient(h), Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(o.t.Context())
	if err := discovery.Add(ctx, mgr, discovery.Options{Partition: site, Log: slog.New(slog.DiscardHandler)}); err != nil {
		o.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	o.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			o.t.Errorf("manager: %v", err)
		}
	})
}

// run types a command; out is what it answers, problems what it says beside that.
func (o *operator) run(args ...string) (out, problems string, err error) {
	o.t.Helper()
	var a, b bytes.Buffer
	c := discover.Command(session.New(&a, &b))
	c.SetArgs(append([]string{"--kubeconfig", filepath.Join(o.cp.DataDir, "admin.kubeconfig"), "-n", "rack7"}, args...))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&a)
	c.SetErr(&b)
	err = c.ExecuteContext(o.t.Context())
	return a.String(), b.String(), err
}

func (o *operator) must(want string, args ...string) string {
	o.t.Helper()
	out, problems, err := o.run(args...)
	if err != nil || !strings.Contains(out+problems, want) {
		o.t.Fatalf("%v: %v, want %q\n%s%s", args, err, want, out, problems)
	}
	return out
}

// refused holds a command to failing with each of the words.
func (o *operator) refused(args []string, words ...string) {
	o.t.Helper()
	out, problems, err := o.run(args...)
	if err == nil {
		o.t.Fatalf("%v went well:\n%s%s", args, out, problems)
	}
	for _, w := range words {
		if !strings.Contains(problems+err.Error(), w) {
			o.t.Errorf("%v: %q is not in\n%s%v", args, w, problems, err)
		}
	}
}

func (o *operator) file(name, text string) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

func (o *operator) found() []ingot.DiscoveredHost {
	o.t.Helper()
	var all ingot.DiscoveredHostList
	if err := o.client.List(o.t.Context(), &all, client.InNamespace("rack7")); err != nil {
		o.t.Fatal(err)
	}
	return all.Items
}

func (o *operator) hosts() int {
	o.t.Helper()
	var all metal3.BareMetalHostList
	if err := o.client.List(o.t.Context(), &all, client.InNamespace("rack7")); err != nil {
		o.t.Fatal(err)
	}
	return len(all.Items)
}

// A list becomes finds, all or none; an operator's word makes hosts of them.
func TestFromListToHosts(t *testing.T) {
	o := newOperator(t)
	o.must("no discovered hosts", "list")
	o.refused([]string{"import", o.file("bad.csv", "name,bmcAddress\nweb1,redfish://10.7.0.1\nweb2,gopher://10.7.0.2\nWEB3,redfish://10.7.0.3\n")},
		"line 3: bmcAddress", "line 4: name", "2 problems: nothing was imported")
	o.refused([]string{"import", o.file("list.txt", "")}, "give --format")
	list := o.file("rack7.csv", "name,bmcAddress,credentialsName,bootMACAddress\nweb1,redfish://10.7.0.1,bmc,52:54:00:07:00:01\nweb2,redfish-virtualmedia://10.7.0.2,,\nweb3,redfish-virtualmedia://10.7.0.3,bmc,\n")
	o.refused([]string{"import", list, "--partition", "elsewhere"}, "there are site1")
	o.refused([]string{"import", list, "--accept"}, "line 3: credentialsName: it is missing", "1 problems")
	o.must("3 machines are new", "import", list, "--dry-run")
	if n := len(o.found()); n != 0 {
		t.Fatalf("%d were made by what should make none", n)
	}
	o.must("3 machines imported", "import", list)
	o.must("0 machines imported, 3 were there already", "import", list)
	changed := o.file("changed.csv", "name,bmcAddress\nweb9,redfish://10.7.0.9\nweb1,redfish://10.7.0.8\n")
	o.refused([]string{"import", changed}, "line 3: discovered host web1 is there already and says something else")
	if n := len(o.found()); n != 3 {
		t.Errorf("%d are there: web9 came in beside a bad line", n)
	}

	o.startPartition()
	o.refused([]string{"accept", "web1", "web2", "--name", "x"}, "accept one at a time")
	o.refused([]string{"accept", "nobody"}, "is not in namespace")
	o.must("host rack7/shop was made of it", "accept", "web1", "--name", "shop")
	o.refused([]string{"accept", "web2"}, "give spec.accept.credentialsName")
	o.must("host rack7/web2 was made of it", "accept", "web2", "--credentials", "bmc")
	o.must("ignores this machine", "ignore", "web3")
	o.must("waits for an operator", "ignore", "web3", "--undo")
	o.certificates()
	o.refused([]string{"ignore", "web1"}, "became host rack7/shop already")
	if n := o.hosts(); n != 3 {
		t.Errorf("%d hosts", n)
	}
	table := o.must("web3", "list", "-o", "wide")
	for _, w := range []string{"PHASE", "Accepted", "Found", "shop", "52:54:00:07:00:01", "redfish://10.7.0.1"} {
		if !strings.Contains(table, w) {
			t.Errorf("%q is not in\n%s", w, table)
		}
	}
	var all []ingot.DiscoveredHost
	if err := json.Unmarshal([]byte(o.must("[", "list", "-o", "json")), &all); err != nil || len(all) != 4 {
		t.Errorf("%v: %d", err, len(all))
	}
	if one := o.must("web1", "get", "web1"); !strings.Contains(one, "rack7/shop") || !strings.Contains(one, "yes, as shop") {
		t.Error(one)
	}
	o.must("phase: Accepted", "get", "web1", "-o", "yaml")
	if names := o.must("web3", "__complete", "accept", ""); strings.Contains(names, "web1") {
		t.Errorf("what is a host is offered to be accepted:\n%s", names)
	}

	more := o.file("more.yaml", "- {name: db1, bmcAddress: redfish-virtualmedia://10.7.0.11, credentialsName: bmc}\n- {name: db2, bmcAddress: ipmi://10.7.0.2, credentialsName: bmc, bootMACAddress: 52:54:00:07:00:12}\n")
	o.must("2 machines imported, 0 were there already, 2 accepted", "import", more, "--accept")
	o.must("0 machines imported, 2 were there already, 0 accepted", "import", more, "--accept")
	o.refused([]string{"accept", "db2"}, "host rack7/web2 is this machine: both have the BMC 10.7.0.2")
}

// certificates: what a BMC was found with is trusted at an operator's word, and is the made host's.
func (o *operator) certificates() {
	o.t.Helper()
	found := &ingot.DiscoveredHost{
		ObjectMeta: metav1.ObjectMeta{Namespace: "rack7", Name: "self"},
		Spec:       ingot.DiscoveredHostSpec{Partition: site, Source: ingot.SourceList, BMCAddress: "redfish-virtualmedia://10.7.0.40", CredentialsName: "bmc"},
	}
	if err := o.client.Create(o.t.Context(), found); err != nil {
		o.t.Fatal(err)
	}
	o.refused([]string{"accept", "self", "--trust-certificate"}, "showed no certificate yet")
	o.refused([]string{"accept", "self", "--bmc-certificate", "AA:BB"}, "spec.accept.bmcCertificate")
	o.refused([]string{"accept", "self", "--trust-certificate", "--disable-certificate-verification"}, "none of the others can be")
	digest := strings.Repeat("5a", 32)
	before := found.DeepCopy()
	found.Status.BMC = &ingot.DiscoveredBMC{
		Address: found.Spec.BMCAddress, IPAddress: "10.7.0.40", Protocols: []string{"redfish"}, CertificateSHA256: digest, FirstSeen: metav1.Now(), LastSeen: metav1.Now(),
	}
	if err := o.client.Status().Patch(o.t.Context(), found, client.MergeFrom(before)); err != nil {
		o.t.Fatal(err)
	}
	o.must("its BMC at 10.7.0.40 is known by the certificate sha256:"+digest, "accept", "self", "--trust-certificate")
	h := &metal3.BareMetalHost{}
	if err := o.client.Get(o.t.Context(), client.ObjectKey{Namespace: "rack7", Name: "self"}, h); err != nil {
		o.t.Fatal(err)
	}
	if got := h.Annotations[ingot.BMCCertificateAnnotation]; got != "sha256:"+digest || h.Spec.BMC.DisableCertificateVerification {
		o.t.Errorf("the host is made with the certificate %q", got)
	}
}
