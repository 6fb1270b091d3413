package command

import (
	"context"
	"fmt"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/server/caller"
)

// people are those who log in by a token, like that of an OIDC issuer. The API server says who they are and what they may; nothing is remembered.
type people struct{ live client.Client }

var _ meshkey.People = people{}

// May implements meshkey.People: who may create MeshKeys is given their own keys, and those of servers. A machine's key is the controller's, and another person's is theirs: by it one would be them.
func (p people) May(ctx context.Context, r *http.Request, namespace, name string) (string, error) {
	reviewer := caller.Reviewer{Live: p.live}
	who, err := reviewer.Authenticate(ctx, r)
	if err != nil || who == nil {
		return "", err
	}
	may, err := reviewer.Allowed(ctx, *who, caller.Question{Verb: "create", Group: ingot.GroupVersion.Group, Resource: "meshkeys", Namespace: namespace})
	if err != nil || !may {
		return "", err
	}
	key := &ingot.MeshKey{}
	err = p.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, key)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return "", fmt.Errorf("read the MeshKey: %w", err)
	case err == nil && key.Spec.Person != who.Username && key.Spec.Server == "":
		return "", nil
	}
	// Of a MeshKey that is not there the answer says so, as to everybody who may ask.
	return who.Username, nil
}
