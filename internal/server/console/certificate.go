package console

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ssh"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/server/caller"
	"github.com/ingotmetal/ingot/sshcert"
)

// CertificateRequest asks for an SSH certificate, and CertificateAnswer has it.
type CertificateRequest struct {
	// PublicKey is the person's, as in an authorized_keys file.
	PublicKey string `json:"publicKey"`
	// Shell asks for one that opens a machine, by its own sshd; nil: one for consoles.
	Shell *Shell `json:"shell,omitempty"`
}

// Shell is a machine, and whom to be there.
type Shell struct {
	Namespace string `json:"namespace"`
	Machine   string `json:"machine"`
	Login     string `json:"login"`
}

// ShellSubresource is the subresource of machines that it takes the verb create of to be given a certificate for a shell.
const ShellSubresource = "shell"

// CertificateAnswer is what a person's ssh needs.
type CertificateAnswer struct {
	// Certificate is a line as in an authorized_keys file; Authority is the site's key, which signed it and the server's.
	Certificate string    `json:"certificate"`
	Authority   string    `json:"authority"`
	Expires     time.Time `json:"expires"`
}

func (s *Server) certificate(w http.ResponseWriter, r *http.Request, who caller.Caller) {
	const most = 16 << 10
	text, err := io.ReadAll(io.LimitReader(r.Body, most))
	var ask CertificateRequest
	if err == nil {
		err = json.Unmarshal(text, &ask)
	}
	if err != nil {
		http.Error(w, "the request is no JSON with a publicKey", http.StatusBadRequest)
		return
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(ask.PublicKey)) // only the key is wanted
	if err != nil {
		http.Error(w, "publicKey is no public key of SSH: give one line of a .pub file", http.StatusBadRequest)
		return
	}
	request := sshcert.UserRequest{Key: key, Purpose: sshcert.ForConsole, Serial: serial(), Identity: sshcert.Identity{Username: who.Username, UID: who.UID, Groups: who.Groups, Extra: who.Extra}}
	if ask.Shell != nil {
		principal, code, err := s.shell(r.Context(), who, *ask.Shell)
		if err != nil {
			if code == http.StatusServiceUnavailable {
				s.o.Log.Error("certificate for a shell not signed", "machine", ask.Shell.Namespace+"/"+ask.Shell.Machine, "err", err)
				err = fmt.Errorf("the API server cannot be asked: try again")
			}
			http.Error(w, err.Error(), code)
			return
		}
		request.Purpose, request.Principals = sshcert.ForShell, []string{principal}
	}
	now := s.o.Now()
	c, err := s.o.Authority.User(request, now, rand.Reader)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.o.Log.Info("SSH certificate signed", "who", who.Username, "serial", c.Serial, "key", ssh.FingerprintSHA256(key), "principals", c.ValidPrincipals)
	answer(w, CertificateAnswer{
		Certificate: string(ssh.MarshalAuthorizedKey(c)), Authority: string(ssh.MarshalAuthorizedKey(s.o.Authority.PublicKey())), Expires: now.Add(sshcert.UserLifetime).UTC(),
	})
}

func serial() uint64 {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails (crypto/rand, since Go 1.24)
	return binary.BigEndian.Uint64(b)
}

// shell is the principal by which somebody opens a machine, for who may. Who may not is not told whether there is such a machine.
func (s *Server) shell(ctx context.Context, who caller.Caller, ask Shell) (principal string, code int, err error) {
	// A machine is told one login at its first boot.
	if ask.Login != "root" || ask.Namespace == "" || ask.Machine == "" {
		return "", http.StatusBadRequest, fmt.Errorf("a shell is of a namespace's machine and of the login root")
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	may, err := s.o.Reviewer.Allowed(ctx, who, caller.Question{Verb: "create", Group: ingot.GroupVersion.Group, Resource: "machines", Subresource: ShellSubresource, Namespace: ask.Namespace, Name: ask.Machine})
	if err != nil {
		return "", http.StatusServiceUnavailable, err
	}
	if !may {
		return "", http.StatusForbidden, fmt.Errorf("you may not create machines/%s of %s/%s", ShellSubresource, ask.Namespace, ask.Machine)
	}
	m := &ingot.Machine{}
	err = s.o.Live.Get(ctx, client.ObjectKey{Namespace: ask.Namespace, Name: ask.Machine}, m)
	switch {
	case apierrors.IsNotFound(err):
		return "", http.StatusNotFound, fmt.Errorf("there is no machine %s/%s", ask.Namespace, ask.Machine)
	case err != nil:
		return "", http.StatusServiceUnavailable, err
	case !m.DeletionTimestamp.IsZero():
		return "", http.StatusConflict, fmt.Errorf("machine %s/%s is being given up", ask.Namespace, ask.Machine)
	}
	return sshcert.Principal(ask.Login, string(m.UID)), 0, nil
}
