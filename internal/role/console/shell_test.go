package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/pki"
	server "github.com/ingotmetal/ingot/internal/server/console"
	"github.com/ingotmetal/ingot/sshcert"
)

// shells: who may create machines/shell is given a certificate that opens that machine and no console; a tenant of the machine may not, nor is a stranger told whether it is there.
func (w *world) shells(namespace, name string) {
	w.t.Helper()
	person := newKey(w.t)
	ask := func(who string, groups []string, shell server.Shell) (int, []byte) {
		return w.ask(w.client(who, groups...), http.MethodPost, "/v1/ssh/certificate", "", server.CertificateRequest{PublicKey: string(ssh.MarshalAuthorizedKey(person.PublicKey())), Shell: &shell})
	}
	operators := []string{pki.OperatorGroup}
	for _, c := range []struct {
		who    string
		groups []string
		shell  server.Shell
		status int
	}{
		{"", nil, server.Shell{Namespace: namespace, Machine: name, Login: "root"}, http.StatusUnauthorized},
		{"alice", nil, server.Shell{Namespace: namespace, Machine: name, Login: "root"}, http.StatusForbidden},
		{"bob", nil, server.Shell{Namespace: namespace, Machine: "none", Login: "root"}, http.StatusForbidden},
		{"ingot:operator:test", operators, server.Shell{Namespace: namespace, Machine: "none", Login: "root"}, http.StatusNotFound},
		{"ingot:operator:test", operators, server.Shell{Namespace: namespace, Machine: name, Login: "admin"}, http.StatusBadRequest},
	} {
		if status, text := ask(c.who, c.groups, c.shell); status != c.status {
			w.t.Errorf("%s asks for a shell of %+v: %d %s, want %d", c.who, c.shell, status, text, c.status)
		}
	}
	status, text := ask("ingot:operator:test", operators, server.Shell{Namespace: namespace, Machine: name, Login: "root"})
	var got server.CertificateAnswer
	if err := json.Unmarshal(text, &got); err != nil || status != http.StatusOK {
		w.t.Fatalf("%d %s: %v", status, text, err)
	}
	m := &ingot.Machine{}
	if err := w.admin.Get(w.ctx, client.ObjectKey{Namespace: namespace, Name: name}, m); err != nil {
		w.t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(got.Certificate)))
	if err != nil {
		w.t.Fatal(err)
	}
	c, is := key.(*ssh.Certificate)
	if want := []string{"purpose:shell", sshcert.Principal("root", string(m.UID))}; !is || !slices.Equal(c.ValidPrincipals, want) || c.KeyId != "ingot:operator:test" {
		w.t.Errorf("the certificate is %+v, want the principals %v", key, want)
	}
}
