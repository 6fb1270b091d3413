package meshkey

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/pki"
)

// People say who holds a bearer token, and whether they may have the key of a MeshKey. Who is empty for nobody; the error is the world's.
type People interface {
	May(ctx context.Context, r *http.Request, namespace, name string) (who string, err error)
}

// Handler answers POST /v1/namespaces/{namespace}/meshkeys/{name}/key. The server has verified the client's certificate, where there is one; this says whose may ask, and people says it of those without.
func Handler(m Minter, people People, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/namespaces/{namespace}/meshkeys/{name}/key", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		namespace, name := r.PathValue("namespace"), r.PathValue("name")
		who, ok := asker(r)
		if !ok && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
			var err error
			if who, err = people.May(r.Context(), r, namespace, name); err != nil {
				log.Error("who asks for a key of the mesh could not be made out", "namespace", namespace, "name", name, "err", err)
				http.Error(w, "who asks could not be made out; the coordinator's log says why", http.StatusInternalServerError)
				return
			}
			ok = who != ""
		}
		if !ok {
			http.Error(w, ErrForbidden.Error(), http.StatusForbidden)
			return
		}
		minted, err := m.Mint(r.Context(), namespace, name)
		if err != nil {
			code, text := status(err)
			if code == http.StatusInternalServerError {
				log.Error("a key of the mesh could not be made", "namespace", namespace, "name", name, "err", err)
			}
			http.Error(w, text, code)
			return
		}
		text, err := json.Marshal(answer{minted.Key.Reveal(), minted.Coordinator, minted.ExpiresAt})
		if err != nil {
			http.Error(w, "the answer could not be written", http.StatusInternalServerError)
			return
		}
		log.Info("a key of the mesh was handed out", "namespace", namespace, "name", name, "to", who)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
	return mux
}

// asker is who shows a certificate that may ask.
func asker(r *http.Request) (string, bool) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
		return "", false
	}
	who := r.TLS.PeerCertificates[0].Subject
	operator := strings.HasPrefix(who.CommonName, "ingot:operator:") && slices.Contains(who.Organization, pki.OperatorGroup)
	return who.CommonName, operator || who.CommonName == pki.RoleName("controller", "")
}

func status(err error) (code int, text string) {
	switch {
	case errors.Is(err, ErrUnknown):
		return http.StatusNotFound, ErrUnknown.Error()
	case errors.Is(err, ErrSpent):
		return http.StatusConflict, ErrSpent.Error()
	case errors.Is(err, ErrRefused):
		return http.StatusUnprocessableEntity, strings.TrimPrefix(err.Error(), ErrRefused.Error()+": ")
	default:
		return http.StatusInternalServerError, "the key could not be made; the coordinator's log says why"
	}
}
