package console

import (
	"context"
	"errors"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/caller"
	"github.com/ingotmetal/ingot/internal/server/console/recording"
)

// reading remembers the API server's answers for one request: recordings of one project come in dozens.
type reading struct {
	server *Server
	who    caller.Caller
	rights map[console.Target]bool
	uids   map[string]string
}

// may says whether somebody may read a recording. The right is the same as to look at the console now, and the project must be the same one: a tenant reads what was seen by its own
// Machines and claims, and nothing of others' time on the same host, since those sessions were of others' objects.
func (g *reading) may(ctx context.Context, i recording.Info) (bool, error) {
	t := i.Target
	allowed, asked := g.rights[t]
	if !asked {
		var err error
		allowed, err = g.server.o.Reviewer.Allowed(ctx, g.who, caller.Question{
			Verb: "get", Group: t.Kind.Group(), Resource: t.Kind.Resource(), Subresource: "console", Namespace: t.Namespace, Name: t.Name,
		})
		if err != nil {
			return false, err
		}
		g.rights[t] = allowed
	}
	if !allowed {
		return false, nil
	}
	uid, known := g.uids[t.Namespace]
	if !known {
		var err error
		if uid, err = g.server.namespaceUID(ctx, t.Namespace); err != nil && !apierrors.IsNotFound(err) {
			return false, err
		}
		g.uids[t.Namespace] = uid
	}
	return uid != "" && uid == i.NamespaceUID, nil
}

func (s *Server) reading(who caller.Caller) *reading {
	return &reading{s, who, map[console.Target]bool{}, map[string]string{}}
}

// listed bounds a list.
const listed = 1000

func (s *Server) listRecordings(w http.ResponseWriter, r *http.Request, who caller.Caller) {
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	all, err := s.o.Store.List()
	if err != nil {
		s.failed(w, err)
		return
	}
	g, out := s.reading(who), []recording.Info{}
	for _, i := range all {
		may, err := g.may(ctx, i)
		if err != nil {
			s.failed(w, err)
			return
		}
		if may && len(out) < listed {
			out = append(out, i)
		}
	}
	answer(w, out)
}

func (s *Server) readRecording(w http.ResponseWriter, r *http.Request, who caller.Caller) {
	id := r.PathValue("id")
	i, err := s.o.Store.Info(id)
	may := false
	if err == nil {
		may, err = s.reading(who).may(r.Context(), i)
	}
	if errors.Is(err, recording.ErrNone) || err == nil && !may {
		// Whoever may not read it does not learn that it is there.
		http.Error(w, recording.ErrNone.Error()+", or it is not yours to see", http.StatusNotFound)
		return
	}
	if err != nil {
		s.failed(w, err)
		return
	}
	f, err := s.o.Store.File(id)
	if err != nil {
		s.failed(w, err)
		return
	}
	defer func() { _ = f.Close() }()
	s.o.Log.Info("recording read", "recording", id, "who", who.Username, "machine", i.Target.String())
	w.Header().Set("Content-Type", "application/x-asciicast")
	_, _ = io.Copy(w, f) // a client that is gone needs no more of it
}

func (s *Server) failed(w http.ResponseWriter, err error) {
	s.o.Log.Error("recordings not read", "err", err)
	http.Error(w, "the recordings cannot be read now, or the API server not asked: try again", http.StatusServiceUnavailable)
}
