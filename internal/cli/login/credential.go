package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/signin"
	"github.com/ingotmetal/ingot/matrix"
)

// credentialVersion is of Kubernetes' exec credential plugins.
const credentialVersion = "client.authentication.k8s.io/v1"

// renewBefore is how long before its end a token is renewed, so that it does not end on its way.
const renewBefore = 30 * time.Second

// renewTime bounds a renewal: kubectl waits for it.
const renewTime = time.Minute

// TokenCommand is `ingot auth token`, which kubectl and this program ask by the kubeconfig.
func TokenCommand(s *session.Session) *cobra.Command {
	var issuer, clientID string
	c := &cobra.Command{
		Use:   "token",
		Short: "Give kubectl a token of the login (a credential plugin; the kubeconfig names it)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			l, err := store.current(cmd.Context(), s, issuer, clientID)
			if err != nil {
				return err
			}
			return json.NewEncoder(s.Out).Encode(map[string]any{
				"apiVersion": credentialVersion, "kind": "ExecCredential",
				"status": map[string]any{"token": l.tokens.ID.Reveal(), "expirationTimestamp": l.tokens.Expires.Add(-renewBefore).UTC().Format(time.RFC3339)},
			})
		},
	}
	c.Flags().StringVar(&issuer, "issuer", "", "URL of the issuer")
	c.Flags().StringVar(&clientID, "client-id", "", "client ID at the issuer")
	_ = c.MarkFlagRequired("issuer")
	_ = c.MarkFlagRequired("client-id")
	return c
}

// current is the login with a token that is good now, renewed if it has to be.
func (s store) current(ctx context.Context, program *session.Session, issuer, clientID string) (stored, error) {
	unlock, err := s.lock(issuer, clientID)
	if err != nil {
		return stored{}, err
	}
	defer unlock()
	l, err := s.read(issuer, clientID)
	if err != nil {
		return stored{}, err
	}
	if time.Until(l.tokens.Expires) > renewBefore {
		return l, nil
	}
	if l.tokens.Refresh.IsZero() {
		return stored{}, fmt.Errorf("the login at %s ended, and the issuer gave nothing to renew it with: run `ingot login`", issuer)
	}
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	client, err := signin.Open(ctx, l.Issuer, program.Bound().DialContext(matrix.OperatorToIssuer))
	if err != nil {
		return stored{}, err
	}
	next, err := client.Renew(ctx, l.tokens.Refresh)
	var refused *signin.Refused
	if errors.As(err, &refused) {
		return stored{}, fmt.Errorf("%w: run `ingot login`", err)
	}
	if err != nil {
		return stored{}, err
	}
	l.tokens = next
	return l, s.write(l)
}

// LogoutCommand is `ingot logout`.
func LogoutCommand(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "logout",
		Short: "Have the issuer forget the current context's login, and remove its tokens",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := s.Kubeconfig()
			if err != nil {
				return err
			}
			issuer, ok := issuerOf(config)
			if !ok {
				return errors.New("the current context has no login: --context names another one")
			}
			return logout(cmd.Context(), s, issuer)
		},
	}
	s.AddServerFlags(c)
	return c
}

// logout removes the tokens whatever the issuer says, and says if it could not be told.
func logout(ctx context.Context, s *session.Session, issuer signin.Issuer) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	unlock, err := store.lock(issuer.URL, issuer.ClientID)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := store.read(issuer.URL, issuer.ClientID)
	if errors.Is(err, errNoLogin) {
		fmt.Fprintln(s.Out, "Nobody was logged in.")
		return nil
	}
	unread := err
	if err := store.remove(issuer.URL, issuer.ClientID); err != nil {
		return err
	}
	if unread != nil {
		return fmt.Errorf("the tokens are removed here, and the issuer was not told: %w", unread)
	}
	told := false
	if !l.tokens.Refresh.IsZero() {
		ctx, cancel := context.WithTimeout(ctx, renewTime)
		defer cancel()
		client, err := signin.Open(ctx, l.Issuer, s.Bound().DialContext(matrix.OperatorToIssuer))
		if err == nil {
			told, err = client.Revoke(ctx, l.tokens.Refresh)
		}
		if err != nil {
			return fmt.Errorf("the tokens are removed here, and the issuer could not be told to forget the login: %w", err)
		}
	}
	fmt.Fprintf(s.Out, "Logged out of %s: the tokens are removed", issuer.URL)
	if told {
		fmt.Fprint(s.Out, " and revoked")
	}
	fmt.Fprintf(s.Out, ". The last ID token is good until %s wherever it was copied to.\n", l.tokens.Expires.Format(time.TimeOnly))
	return nil
}
