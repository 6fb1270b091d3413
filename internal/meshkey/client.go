package meshkey

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// answer is a key on the wire.
type answer struct {
	Key         string    `json:"key"`
	Coordinator string    `json:"coordinator"`
	ExpiresAt   time.Time `json:"expiresAt"`
}

// mostAnswer bounds what is read of an answer, in bytes.
const mostAnswer = 64 << 10

// Client asks a coordinator. Its HTTP client shows our certificate, checks the coordinator's, and dials by the matrix.
type Client struct {
	base *url.URL
	http *http.Client
	// Authorization is the header of who has a token rather than a certificate; zero: none.
	Authorization secret.String
}

// NewClient takes the URL of the coordinator's listener for keys, which must be https.
func NewClient(base string, h *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the coordinator's URL for keys is %q: an https:// URL is needed, like https://mesh.example:8450", base)
	}
	return &Client{base: u, http: h}, nil
}

var _ Minter = (*Client)(nil)

// Mint implements Minter. It is never tried again by itself: a lost answer is a lost key.
func (c *Client) Mint(ctx context.Context, namespace, name string) (Minted, error) {
	target := c.base.JoinPath("v1", "namespaces", url.PathEscape(namespace), "meshkeys", url.PathEscape(name), "key")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), http.NoBody)
	if err != nil {
		return Minted{}, fmt.Errorf("ask for the key of MeshKey %s/%s: %w", namespace, name, err)
	}
	if !c.Authorization.IsZero() {
		req.Header.Set("Authorization", c.Authorization.Reveal())
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Minted{}, fmt.Errorf("ask the coordinator for the key of MeshKey %s/%s: %w", namespace, name, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return Minted{}, fmt.Errorf("read the key of MeshKey %s/%s: %w", namespace, name, err)
	}
	if res.StatusCode != http.StatusOK {
		return Minted{}, fmt.Errorf("MeshKey %s/%s: %w", namespace, name, refusal(res.StatusCode, strings.TrimSpace(string(text))))
	}
	minted, err := decode(text)
	if err != nil {
		return Minted{}, fmt.Errorf("MeshKey %s/%s: %w", namespace, name, err)
	}
	return minted, nil
}

// decode reads an answer. Its errors never have the text, which may hold the key.
func decode(text []byte) (Minted, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || a.Key == "" || a.Coordinator == "" || a.ExpiresAt.IsZero() {
		return Minted{}, fmt.Errorf("the coordinator's answer of %d bytes is no key: is that URL the mesh role's listener for keys?", len(text))
	}
	return Minted{Key: secret.New(a.Key), Coordinator: a.Coordinator, ExpiresAt: a.ExpiresAt}, nil
}

func refusal(code int, text string) error {
	switch code {
	case http.StatusNotFound:
		return ErrUnknown
	case http.StatusConflict:
		return ErrSpent
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %s", ErrRefused, text)
	default:
		return fmt.Errorf("the coordinator answered %d: %s", code, text)
	}
}
