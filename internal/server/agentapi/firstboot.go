package agentapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// maxFirstBootBytes holds a form with a few SSH host keys.
const maxFirstBootBytes = 64 << 10

// hostKeyPrefix begins the names of the fields in which cloud-init's phone_home sends the SSH host keys.
const hostKeyPrefix = "pub_key_"

// firstBoot takes a provisioned system's report, as a form like cloud-init's phone_home sends it. The path holds a credential and is never logged.
func (s *Server) firstBoot(w http.ResponseWriter, r *http.Request) {
	source := sourceOf(r)
	namespace, name, token := r.PathValue("namespace"), r.PathValue("name"), r.PathValue("token")
	if len(namespace)+len(name) > 2*maxBootIDBytes || len(token) > maxTokenBytes {
		refuse(w)
		return
	}
	if !s.mayTry(w, source, namespace+"/"+name) {
		return
	}
	hash := HashToken(token)
	known, err := s.o.FirstBoots.FirstBootTokenHash(r.Context(), namespace, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		s.failFirstBoot(w, namespace, name, err)
		return
	}
	if err != nil || known == "" || !sameHash(hash, known) {
		s.noteRefused(source, namespace+"/"+name)
		s.o.Logger.Warn("First-boot report refused", "machine", printable(namespace+"/"+name), "source", source)
		refuse(w)
		return
	}
	// The form is read only now: whoever holds no token costs no memory.
	r.Body = http.MaxBytesReader(w, r.Body, maxFirstBootBytes)
	if err := r.ParseForm(); err != nil {
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, "the body is not a form, or too large")
		return
	}
	err = s.o.FirstBoots.SaveFirstBoot(r.Context(), namespace, name, hash, parseFirstBoot(r.PostForm), s.o.Now())
	switch {
	case errors.Is(err, ErrUnknown):
		refuse(w)
	case err != nil:
		s.failFirstBoot(w, namespace, name, err)
	default:
		s.o.Logger.Info("First boot reported", "machine", namespace+"/"+name, "source", source)
		w.WriteHeader(http.StatusOK)
	}
}

func (s *Server) failFirstBoot(w http.ResponseWriter, namespace, name string, err error) {
	s.fail(w, "First-boot report not kept", "first boot of "+namespace+"/"+name, err)
}

// parseFirstBoot reads the fields; all of them are a tenant's word.
func parseFirstBoot(form url.Values) FirstBoot {
	field := func(name string, limit int) string {
		text := printable(form.Get(name))
		// phone_home sends "N/A" for what it does not know.
		if text == "N/A" || len(text) > limit {
			return ""
		}
		return text
	}
	const nameLimit, keyLimit, maxKeys = 253, 2048, 8
	report := FirstBoot{
		InstanceID: field("instance_id", nameLimit), Hostname: field("hostname", nameLimit), FQDN: field("fqdn", nameLimit), Kernel: field("kernel", nameLimit),
	}
	for name := range form {
		algorithm, isKey := strings.CutPrefix(name, hostKeyPrefix)
		if !isKey || len(algorithm) > 32 || len(report.HostKeys) == maxKeys {
			continue
		}
		if key := strings.TrimSpace(field(name, keyLimit)); key != "" {
			if report.HostKeys == nil {
				report.HostKeys = map[string]string{}
			}
			report.HostKeys[printable(algorithm)] = key
		}
	}
	return report
}
