package web

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/version"
)

// SettingsBody is what the site runs, and who looks.
type SettingsBody struct {
	Me       Me        `json:"me"`
	Programs []Program `json:"programs"`
	// Leaders are the roles that elect one process; LeadersHidden: the person may not read who leads.
	Leaders       []Leader      `json:"leaders"`
	LeadersHidden bool          `json:"leadersHidden,omitempty"`
	Listeners     []Listener    `json:"listeners"`
	Certificates  []Certificate `json:"certificates"`
	// SitesHidden: the person may not read partitions, whose listeners and certificates are not told.
	SitesHidden bool  `json:"sitesHidden,omitempty"`
	Login       Login `json:"login"`
	// Rights are the person's in the namespace; Partial: the API server could not tell all.
	Namespace string  `json:"namespace"`
	Rights    []Grant `json:"rights"`
	Partial   bool    `json:"partial,omitempty"`
}

// Program is a program that answers, with its version as it says it.
type Program struct {
	What    string `json:"what"`
	Version string `json:"version"`
	Detail  string `json:"detail,omitempty"`
}

// Leader is the process of a role that leads.
type Leader struct {
	Role string `json:"role"`
	// Host is where it runs, Since when it began to lead.
	Host  string `json:"host"`
	Since string `json:"since,omitempty"`
}

// Listener is where something of the site is reached.
type Listener struct {
	What    string `json:"what"`
	Address string `json:"address"`
	For     string `json:"for"`
}

// Certificate is one of the site's.
type Certificate struct {
	What    string   `json:"what"`
	Subject string   `json:"subject"`
	Issuer  string   `json:"issuer"`
	Names   []string `json:"names,omitempty"`
	Ends    string   `json:"ends"`
}

// Login is how people log in.
type Login struct {
	Issuers []string `json:"issuers"`
	// Links: `ingot up` and `ingot login` make links that are good once.
	Links bool `json:"links"`
}

// Grant is a right of the person.
type Grant struct {
	Verbs  []string `json:"verbs"`
	Group  string   `json:"group,omitempty"`
	Things []string `json:"things"`
	Names  []string `json:"names,omitempty"`
}

// settings is what runs, as far as the person may know.
func settings(ctx context.Context, c *reader, a ask) (Content, error) {
	s := a.who.server
	b := SettingsBody{Me: a.who.me(), Leaders: []Leader{}, Namespace: cmp.Or(a.query.Get("namespace"), metav1.NamespaceDefault)}
	if err := b.programs(ctx, a.who); err != nil {
		return Content{}, err
	}
	var sites ingot.PartitionList
	switch err := c.List(ctx, &sites); {
	case apierrors.IsForbidden(err):
		b.SitesHidden = true
	case err != nil:
		return Content{}, fmt.Errorf("list partitions: %w", err)
	}
	b.Listeners = append(listeners(sites.Items), Listener{"API server", a.who.config.Host, "people, nodes and roles"}, Listener{"web page", s.o.Endpoint, "people"})
	for i := range sites.Items {
		b.certify("CA of partition "+sites.Items[i].Name, sites.Items[i].Status.CABundle)
	}
	b.certify("site CA", s.o.API.CAData)
	if s.o.Certificate != nil {
		if x := s.o.Certificate(); x != nil {
			b.Certificates = append(b.Certificates, certificate("web page", x))
		}
	}
	slices.SortStableFunc(b.Certificates, func(x, y Certificate) int { return cmp.Compare(x.Ends, y.Ends) })
	if err := b.leaders(ctx, a.who); err != nil {
		return Content{}, err
	}
	var err error
	if b.Login, err = s.login(); err != nil {
		return Content{}, err
	}
	return Content{Body: &b}, b.grants(ctx, a.who)
}

func (s *Server) login() (Login, error) {
	known, err := s.issuers()
	if err != nil {
		return Login{}, err
	}
	l := Login{Issuers: []string{}, Links: s.o.Tickets != ""}
	for _, k := range known {
		l.Issuers = append(l.Issuers, k.URL)
	}
	return l, nil
}

// programs asks the API server what it is, over a connection whose certificate is looked at.
func (b *SettingsBody) programs(ctx context.Context, who *person) error {
	own := version.Get()
	b.Programs = []Program{{"controller, with this page", own.Version, strings.Join([]string{own.Commit, own.Go, own.Platform}, ", ")}}
	k, err := kubernetes.NewForConfigAndClient(who.config, who.http)
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	v, err := k.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask the API server for its version: %w", err)
	}
	b.Programs = append(b.Programs, Program{"API server", v.GitVersion, strings.Join([]string{v.GoVersion, v.Platform}, ", ")})
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(who.config.Host, "/")+"/version", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the API server for its certificate: %w", err)
	}
	r, err := who.http.Do(q)
	if err != nil {
		return fmt.Errorf("ask the API server for its certificate: %w", err)
	}
	if err := r.Body.Close(); err != nil {
		return fmt.Errorf("ask the API server for its certificate: %w", err)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		b.Certificates = append(b.Certificates, certificate("API server", r.TLS.PeerCertificates[0]))
	}
	return nil
}

// leaders are read, and not watched: each is renewed every few seconds, and nothing of that is shown.
func (b *SettingsBody) leaders(ctx context.Context, who *person) error {
	k, err := kubernetes.NewForConfigAndClient(who.config, who.http)
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	list, err := k.CoordinationV1().Leases(ingot.SystemNamespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		b.LeadersHidden = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the leases of %s: %w", ingot.SystemNamespace, err)
	}
	for i := range list.Items {
		b.Leaders = append(b.Leaders, leader(&list.Items[i]))
	}
	return nil
}

// leader reads a lease: its holder's name begins with the machine's (package role/leader).
func leader(l *coordinationv1.Lease) Leader {
	x := Leader{Role: l.Name}
	if h := l.Spec.HolderIdentity; h != nil {
		x.Host, _, _ = strings.Cut(*h, "_")
	}
	if t := l.Spec.AcquireTime; t != nil {
		x.Since = t.UTC().Format(time.RFC3339)
	}
	return x
}

// listeners are those that partitions tell of.
func listeners(sites []ingot.Partition) []Listener {
	all := []Listener{}
	for i := range sites {
		s := &sites[i]
		for _, x := range []struct{ what, address, who string }{
			{"agents", s.Status.AgentEndpoint, "agents in machines"}, {"boot media", s.Status.MediaEndpoint, "BMCs"}, {"network boot", s.Status.HTTPBootEndpoint, "firmware of machines"},
			{"partition", s.Status.OperatorEndpoint, "operators"}, {"consoles", s.Status.ConsoleEndpoint, "people"}, {"consoles by SSH", s.Status.ConsoleSSHEndpoint, "people"},
		} {
			if x.address != "" {
				all = append(all, Listener{x.what + " of " + s.Name, x.address, x.who})
			}
		}
	}
	return all
}

// certify adds the certificates of a bundle.
func (b *SettingsBody) certify(what string, bundle []byte) {
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if x, err := x509.ParseCertificate(block.Bytes); err == nil {
			b.Certificates = append(b.Certificates, certificate(what, x))
		}
	}
}

func certificate(what string, x *x509.Certificate) Certificate {
	c := Certificate{What: what, Subject: x.Subject.CommonName, Issuer: x.Issuer.CommonName, Names: slices.Clone(x.DNSNames), Ends: x.NotAfter.UTC().Format(time.RFC3339)}
	for _, ip := range x.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	return c
}

// grants asks the API server what the person may.
func (b *SettingsBody) grants(ctx context.Context, who *person) error {
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: b.Namespace}}
	if err := who.live.Create(ctx, review); err != nil {
		return fmt.Errorf("ask the API server for the rights of %s: %w", who.name, err)
	}
	b.Rights, b.Partial = merged(review.Status), review.Status.Incomplete
	if review.Status.EvaluationError != "" && len(b.Rights) == 0 {
		return errors.New("ask the API server for the rights of " + who.name + ": " + review.Status.EvaluationError)
	}
	return nil
}

// merged puts rights to the same verbs of one group into one line.
func merged(s authorizationv1.SubjectRulesReviewStatus) []Grant {
	sums := map[string]*Grant{}
	add := func(verbs []string, group string, things, names []string) {
		verbs, names = sorted(verbs), sorted(names)
		key := strings.Join(verbs, ",") + " " + group + " " + strings.Join(names, ",")
		if sums[key] == nil {
			sums[key] = &Grant{Verbs: verbs, Group: group, Names: names}
		}
		sums[key].Things = sorted(append(sums[key].Things, things...))
	}
	for _, r := range s.ResourceRules {
		for _, group := range r.APIGroups {
			add(r.Verbs, group, r.Resources, r.ResourceNames)
		}
	}
	for _, r := range s.NonResourceRules {
		add(r.Verbs, "", r.NonResourceURLs, nil)
	}
	all := make([]Grant, 0, len(sums))
	for _, g := range sums {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(x, y Grant) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), slices.Compare(x.Things, y.Things), slices.Compare(x.Verbs, y.Verbs), slices.Compare(x.Names, y.Names))
	})
	return all
}

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}
