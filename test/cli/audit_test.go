package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	domain "github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/audit"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// auditCommand runs `ingot audit` against the server.
func auditCommand(ctx context.Context, t *testing.T, cp *controlplanetest.Server, out interface{ Write([]byte) (int, error) }, args ...string) (string, int) {
	t.Helper()
	var errOut bytes.Buffer
	c := audit.Command(session.New(out, &errOut))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append(args, "--kubeconfig", kubeconfig(t, cp.Admin)))
	err := c.ExecuteContext(ctx)
	if err != nil {
		errOut.WriteString(err.Error())
	}
	return errOut.String(), session.ExitCode(err)
}

// TestAuditThroughTheAPIServer lists, follows, gets and verifies the trail of a running server.
func TestAuditThroughTheAPIServer(t *testing.T) {
	cp := controlplanetest.Shared(t)
	client, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "audit-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	following, stop := context.WithCancel(ctx)
	defer stop()
	var stream lockedBuffer
	ended := make(chan int, 1)
	go func() {
		_, code := auditCommand(following, t, cp, &stream, "list", "--follow", "--kind", "secrets", "-n", ns.Name)
		ended <- code
	}()
	if _, err := client.CoreV1().Secrets(ns.Name).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(context.Context) (bool, error) {
		return strings.Contains(stream.String(), "secrets "+ns.Name+"/s"), nil
	}); err != nil {
		t.Fatalf("the stream says %q: %v", stream.String(), err)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("following ended with %d", code)
	}

	var out bytes.Buffer
	if errOut, code := auditCommand(ctx, t, cp, &out, "list", "--name", "s", "-n", ns.Name, "-o", "json"); code != 0 {
		t.Fatal(code, errOut)
	}
	var all []domain.Record
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 1 || all[0].Request.User != "ingot:operator:admin" {
		t.Fatalf("list says %s: %v", out.String(), err)
	}
	out.Reset()
	if errOut, code := auditCommand(ctx, t, cp, &out, "get", "-o", "yaml", jsonNumber(all[0].Seq)); code != 0 || !strings.Contains(out.String(), all[0].Hash) {
		t.Errorf("get: %d %s\n%s", code, errOut, out.String())
	}
	for _, args := range [][]string{{"verify"}, {"verify", "--key", filepath.Join(cp.DataDir, "pki", "audit.pub")}, {"verify", "--dir", filepath.Join(cp.DataDir, "audit")}} {
		out.Reset()
		if errOut, code := auditCommand(ctx, t, cp, &out, args...); code != 0 || !strings.Contains(out.String(), "whole") {
			t.Errorf("%v: %d %s\n%s", args, code, errOut, out.String())
		}
	}
}

func jsonNumber(n uint64) string {
	text, _ := json.Marshal(n)
	return string(text)
}
