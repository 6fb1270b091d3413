package meshkey

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/pki"
)

// Handler answers POST /v1/namespaces/{namespace}/meshkeys/{name}/key. The server has verified the client's certificate; this says whose may ask.
func Handler(m Minter, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/namespaces/{namespace}/meshkeys/{name}/key", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		who, ok := asker(r)
		if !ok {
			http.Error(w, ErrForbidden.Error(), http.StatusForbidden)
			return
		}
		namespace, name := r.PathValue("namespace"), r.PathValue("name")
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
