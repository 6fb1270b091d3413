package artifact

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// The keys of Kubernetes' two types of pull secrets: kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg.
const (
	KeyDockerConfigJSON = ".dockerconfigjson"
	KeyDockerConfig     = ".dockercfg"
)

// ErrNoEntry: the pull secret can be read and says nothing of the registry.
var ErrNoEntry = errors.New("the pull secret has no entry for the registry")

type dockerEntry struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
}

// PullSecret finds the user name and password for a reference in a pull secret's data. Of several entries that fit the longest wins, as in Kubernetes: one for
// registry.example/team before one for registry.example; a * stands for one label of the host. No error tells anything of the content.
func PullSecret(data map[string][]byte, r Reference) (user, password string, err error) {
	entries, err := pullEntries(data)
	if err != nil {
		return "", "", err
	}
	best, found := "", dockerEntry{}
	for key, e := range entries {
		place := placeOf(key)
		if place.means(r) && (best == "" || len(key) > len(best) || len(key) == len(best) && key < best) {
			best, found = key, e
		}
	}
	if best == "" {
		return "", "", fmt.Errorf("%w %s", ErrNoEntry, r.Host)
	}
	return found.credentials()
}

func pullEntries(data map[string][]byte) (map[string]dockerEntry, error) {
	unreadable := errors.New("the pull secret holds no registry credentials in docker's form: make it with kubectl create secret docker-registry")
	if body, ok := data[KeyDockerConfigJSON]; ok {
		var c struct {
			Auths map[string]dockerEntry `json:"auths"`
		}
		if json.Unmarshal(body, &c) != nil {
			return nil, unreadable
		}
		return c.Auths, nil
	}
	var entries map[string]dockerEntry
	body, ok := data[KeyDockerConfig]
	if !ok || json.Unmarshal(body, &entries) != nil {
		return nil, unreadable
	}
	return entries, nil
}

func (e dockerEntry) credentials() (user, password string, err error) {
	user, password = e.Username, e.Password
	if e.Auth != "" {
		plain, decodeErr := base64.StdEncoding.DecodeString(e.Auth)
		var whole bool
		if user, password, whole = strings.Cut(strings.TrimRight(string(plain), "\x00"), ":"); decodeErr != nil || !whole {
			return "", "", errors.New("the pull secret's entry for the registry has an auth that is not user:password in base64")
		}
	}
	switch {
	case user == "" && e.IdentityToken != "":
		return "", "", errors.New("the pull secret's entry for the registry is an identity token, which is for people's sessions: use a user name and a password or access token")
	case user == "" || password == "":
		return "", "", errors.New("the pull secret's entry for the registry has no user name or no password")
	case strings.ContainsAny(user, ":\r\n") || strings.ContainsAny(password, "\r\n"):
		return "", "", errors.New("the pull secret's entry for the registry has a user name or password that HTTP cannot carry")
	}
	return user, password, nil
}

// place is what an entry's key stands for.
type place struct{ host, path string }

// placeOf reads a key: a host, with a path or not, as a URL or not. Docker Hub's is traditionally https://index.docker.io/v1/.
func placeOf(key string) place {
	for _, scheme := range []string{"https://", "http://"} {
		key = strings.TrimPrefix(key, scheme)
	}
	host, rest, _ := strings.Cut(key, "/")
	rest = strings.Trim(rest, "/")
	if rest == "v1" || rest == "v2" {
		rest = ""
	}
	return place{host: canonicalHost(strings.ToLower(host)), path: rest}
}

func canonicalHost(h string) string {
	switch h {
	case "index.docker.io", "registry-1.docker.io", "docker.io:443":
		return "docker.io"
	}
	return strings.TrimSuffix(h, ":443")
}

func (p place) means(r Reference) bool {
	have, want := strings.Split(p.host, "."), strings.Split(canonicalHost(r.Host), ".")
	if len(have) != len(want) || p.host == "" {
		return false
	}
	for i := range have {
		// Brackets are not for hosts: an address of IPv6 is compared as it is.
		if ok, err := path.Match(have[i], want[i]); have[i] != want[i] && (err != nil || !ok || strings.ContainsAny(have[i], "[]\\?")) {
			return false
		}
	}
	return p.path == "" || r.Repository == p.path || strings.HasPrefix(r.Repository, p.path+"/")
}
