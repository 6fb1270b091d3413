package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/firewall/names"
	firewallcli "github.com/ingotmetal/ingot/internal/cli/firewall"
)

// FirewallRow is a firewall in a list.
type FirewallRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Ready is the condition's status, Reason and Why what it says.
	Ready  string `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
	Rules  int    `json:"rules"`
	// Enforced says in words which generation the machine enforces; Current: it is the object's.
	Enforced string `json:"enforced"`
	Current  bool   `json:"current"`
	LastSeen string `json:"lastSeen,omitempty"`
	// Refused are the packets that were refused lately, Refusals by how many flows.
	Refused  int64    `json:"refused"`
	Refusals int      `json:"refusals"`
	Networks []string `json:"networks"`
	Host     string   `json:"host,omitempty"`
	// Mesh is the machine's place in the mesh.
	Mesh *MeshMember `json:"mesh,omitempty"`
	// Replacing is the phase of the replacement that is under way.
	Replacing string `json:"replacing,omitempty"`
}

// Key implements Row.
func (r FirewallRow) Key() string { return r.Namespace + "/" + r.Name }

// MeshMember is a machine's node in the mesh.
type MeshMember struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses,omitempty"`
	Tags      []string `json:"tags"`
	Version   string   `json:"version,omitempty"`
	Online    bool     `json:"online"`
	LastSeen  string   `json:"lastSeen,omitempty"`
}

// FirewallsBody is what stands beside the list.
type FirewallsBody struct {
	// MeshHidden: the person may not read who is in the mesh.
	MeshHidden bool `json:"meshHidden,omitempty"`
}

// members are the mesh's machines, as "namespace/name"; known is false where the person may not read them.
func members(ctx context.Context, c *reader) (of map[string]*MeshMember, known bool, err error) {
	var list ingot.MeshNodeList
	if err := c.List(ctx, &list); apierrors.IsForbidden(err) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, fmt.Errorf("list the mesh's nodes: %w", err)
	}
	of = map[string]*MeshMember{}
	for i := range list.Items {
		n := &list.Items[i]
		key := n.Namespace + "/" + n.Spec.Machine
		// One that joined anew has a node of before, which nobody has expelled yet.
		if old := of[key]; n.Spec.Machine != "" && (old == nil || !old.Online) {
			of[key] = &MeshMember{n.Name, n.Status.Addresses, n.Spec.Tags, n.Status.ClientVersion, n.Status.Online, at(n.Status.LastSeen)}
		}
	}
	return of, true, nil
}

func firewallRow(f *ingot.Firewall, mesh map[string]*MeshMember) FirewallRow {
	a := f.Status.Applied
	r := FirewallRow{
		Namespace: f.Namespace, Name: f.Name, Ready: "Unknown", Rules: len(f.Spec.Egress) + len(f.Spec.Ingress), Enforced: firewallcli.Enforced(*f), Current: a != nil && a.Generation == f.Generation,
		LastSeen: at(f.Status.LastSeen), Refusals: len(f.Status.Drops), Networks: []string{}, Mesh: mesh[f.Namespace+"/"+f.Name],
	}
	if x := meta.FindStatusCondition(f.Status.Conditions, ingot.ReadyCondition); x != nil {
		r.Ready, r.Reason, r.Why = string(x.Status), x.Reason, x.Message
	}
	for _, n := range f.Spec.Networks {
		r.Networks = append(r.Networks, cmp.Or(n.Namespace, f.Namespace)+"/"+n.Name)
	}
	for _, d := range f.Status.Drops {
		r.Refused += d.Packets
	}
	r.Host = hostOf(f.Status.Host)
	if x := f.Status.Replacement; x != nil {
		r.Replacing = x.Phase
	}
	return r
}

func hostOf(h *ingot.MachineHost) string {
	if h == nil {
		return ""
	}
	return h.Namespace + "/" + h.Name
}

// firewalls is the list of them.
func firewalls(ctx context.Context, c *reader, _ ask) (Content, error) {
	c.begin(ctx, &ingot.FirewallList{}, &ingot.MeshNodeList{})
	var list ingot.FirewallList
	if err := c.List(ctx, &list); err != nil {
		return Content{}, fmt.Errorf("list firewalls: %w", err)
	}
	mesh, known, err := members(ctx, c)
	if err != nil {
		return Content{}, err
	}
	rows := make([]Row, 0, len(list.Items))
	for i := range list.Items {
		rows = append(rows, firewallRow(&list.Items[i], mesh))
	}
	slices.SortFunc(rows, func(x, y Row) int { return cmp.Compare(x.Key(), y.Key()) })
	return Content{Body: FirewallsBody{MeshHidden: !known}, Rows: rows}, nil
}

// FirewallBody is one firewall.
type FirewallBody struct {
	Row FirewallRow `json:"row"`
	// Problem is why the machine does not enforce a later generation.
	Problem string `json:"problem,omitempty"`
	// Replacement is the one of its machine that is under way.
	Replacement *FirewallReplacement `json:"replacement,omitempty"`
	// Image is the spec's. MayReplace: the person may have the machine replaced, or the replacement cancelled; Refusal is why neither can be now.
	Image      string             `json:"image"`
	MayReplace bool               `json:"mayReplace"`
	Refusal    string             `json:"refusal,omitempty"`
	Digest     string             `json:"digest,omitempty"`
	DNSServers []string           `json:"dnsServers,omitempty"`
	Networks   []FirewallNetwork  `json:"networks"`
	Rules      []FirewallRule     `json:"rules"`
	Names      []FirewallName     `json:"names"`
	Drops      []FirewallDrop     `json:"drops"`
	By         []Refusal          `json:"refusedBy"`
	From       []Refusal          `json:"refusedFrom"`
	Conditions []metav1.Condition `json:"conditions"`
	MeshHidden bool               `json:"meshHidden,omitempty"`
	// Packet is what was asked about; Answer says what becomes of it, and Wrong why that cannot be said.
	Packet *Packet                  `json:"packet,omitempty"`
	Answer *firewallcli.Explanation `json:"answer,omitempty"`
	Wrong  string                   `json:"wrong,omitempty"`
}

// FirewallReplacement is another machine that is about to become the firewall's.
type FirewallReplacement struct {
	Phase string `json:"phase"`
	// Says is what it waits for, or what was done, and Reason that in a word.
	Says   string `json:"says"`
	Reason string `json:"reason,omitempty"`
	// Since is when the phase began, Began when the replacement did; Why is what asked for it.
	Since string `json:"since"`
	Began string `json:"began"`
	Why   string `json:"why,omitempty"`
	// Cancelled: the new machine is not wanted any more.
	Cancelled bool            `json:"cancelled,omitempty"`
	Old       FirewallMachine `json:"old"`
	New       FirewallMachine `json:"new"`
}

// FirewallMachine is one of the two.
type FirewallMachine struct {
	Name string `json:"name"`
	Host string `json:"host,omitempty"`
	// Answers: it has the right to answer for the firewall's addresses.
	Answers bool `json:"answers,omitempty"`
	// Generation is that of the rules in its kernel, Problem why it has no later ones, LastSeen when it said so; nothing where it has not spoken.
	Generation int64  `json:"generation,omitempty"`
	Problem    string `json:"problem,omitempty"`
	LastSeen   string `json:"lastSeen,omitempty"`
}

// FirewallNetwork is a network that it joins.
type FirewallNetwork struct {
	Network    string   `json:"network"`
	Inside     bool     `json:"inside"`
	Prefixes   []string `json:"prefixes"`
	Addresses  []string `json:"addresses,omitempty"`
	Card       string   `json:"card,omitempty"`
	Masquerade []string `json:"masquerade,omitempty"`
	// OneToOne are lines such as "192.0.2.80 stands for 10.0.4.80".
	OneToOne []string `json:"oneToOne,omitempty"`
}

// The states of a rule.
const (
	ruleEnforced = "enforced"
	ruleWaits    = "waiting"
	ruleNameless = "no name asked yet"
)

// FirewallRule is a rule with what became of it.
type FirewallRule struct {
	// Name is "egress/web", as explain and the counters have it.
	Name     string   `json:"name"`
	Protocol string   `json:"protocol"`
	Ports    []string `json:"ports,omitempty"`
	From     []string `json:"from,omitempty"`
	To       []string `json:"to,omitempty"`
	ToFQDNs  []string `json:"toFQDNs,omitempty"`
	Family   string   `json:"family,omitempty"`
	Limit    int32    `json:"newConnectionsPerSecond,omitempty"`
	Comment  string   `json:"comment,omitempty"`
	State    string   `json:"state"`
}

// FirewallName is a name of a rule and what clients were told of it.
type FirewallName struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses,omitempty"`
	Until     string   `json:"until,omitempty"`
	Answers   int64    `json:"answers"`
	Refused   int64    `json:"refused"`
	Problem   string   `json:"problem,omitempty"`
}

// FirewallDrop is a flow that was refused.
type FirewallDrop struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Wire    string `json:"wire"`
	Packets int64  `json:"packets"`
	By      string `json:"by"`
	Last    string `json:"last"`
}

// Refusal sums up drops by what they have in common.
type Refusal struct {
	What    string `json:"what"`
	Packets int64  `json:"packets"`
	Flows   int    `json:"flows"`
}

// Packet is one that is asked about.
type Packet struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Protocol string `json:"protocol"`
	Port     string `json:"port,omitempty"`
}

// firewall is one of them.
func firewall(ctx context.Context, c *reader, a ask) (Content, error) {
	c.begin(ctx, &ingot.FirewallList{}, &ingot.MeshNodeList{})
	var f ingot.Firewall
	if err := c.Get(ctx, client.ObjectKey{Namespace: a.part[0], Name: a.part[1]}, &f); err != nil {
		return Content{}, fmt.Errorf("read firewall %s/%s: %w", a.part[0], a.part[1], err)
	}
	mesh, known, err := members(ctx, c)
	if err != nil {
		return Content{}, err
	}
	b := FirewallBody{
		Row: firewallRow(&f, mesh), DNSServers: f.Status.DNSServers, Networks: networksOf(&f), Names: namesOf(&f), Drops: dropsOf(&f),
		By:         refusals(&f, func(d ingot.FirewallDrop) string { return d.By }),
		From:       refusals(&f, func(d ingot.FirewallDrop) string { return d.From }),
		Conditions: f.Status.Conditions, MeshHidden: !known, Replacement: replacementOf(&f), Refusal: refusalOf(&f), Image: f.Spec.Machine.Image,
	}
	if b.MayReplace, err = c.may(ctx, "patch", ingot.GroupVersion.Group, "firewalls"); err != nil {
		return Content{}, err
	}
	if x := f.Status.Applied; x != nil {
		b.Problem, b.Digest = x.Problem, x.Digest
	}
	b.Rules = rulesIn(&f, b.Row.Current)
	b.explain(&f, a.query)
	return Content{Body: b}, nil
}

func replacementOf(f *ingot.Firewall) *FirewallReplacement {
	x := f.Status.Replacement
	if x == nil {
		return nil
	}
	out := &FirewallReplacement{
		Phase: x.Phase, Since: at(&x.Since), Began: at(&x.Began), Why: x.Why, Says: firewallcli.Stage(f), Cancelled: f.Spec.CancelReplacement == x.Machine,
		Old: machineOf(f, cmp.Or(x.Earlier, f.Name)), New: machineOf(f, x.Machine),
	}
	if c := meta.FindStatusCondition(f.Status.Conditions, ingot.FirewallReplacedCondition); c != nil {
		out.Reason = c.Reason
	}
	return out
}

// machineOf is what is known of one of the firewall's machines.
func machineOf(f *ingot.Firewall, name string) FirewallMachine {
	m := FirewallMachine{Name: name}
	_, m.Answers = object.Holds(f, name)
	if x := f.Status.Replacement; name == x.Machine {
		m.Host = hostOf(x.Host)
	} else if name == object.Current(f) {
		m.Host = hostOf(f.Status.Host)
	}
	if said, ok := f.Status.Members[name]; ok {
		m.Generation, m.Problem, m.LastSeen = said.Generation, said.Problem, at(&said.LastSeen)
	}
	return m
}

// refusalOf is what `ingot firewall replace` would say against a replacement, or with one under way against its end.
func refusalOf(f *ingot.Firewall) string {
	ask := firewallcli.Replacing{Cancel: f.Status.Replacement != nil}
	if err := ask.Change(f.DeepCopy(), time.Time{}); err != nil {
		return err.Error()
	}
	return ""
}

// replacing is a request to have a firewall's machine replaced, or to cancel that.
type replacing struct {
	// Firewall is "namespace/name".
	Firewall string `json:"firewall"`
	Image    string `json:"image"`
	Host     string `json:"host"`
	Reason   string `json:"reason"`
	Cancel   bool   `json:"cancel"`
}

// replaceFirewall does what `ingot firewall replace` does, as the person.
func (s *Server) replaceFirewall(w http.ResponseWriter, r *http.Request, who *person) {
	var ask replacing
	if !readJSON(w, r, &ask) {
		return
	}
	namespace, name, ok := strings.Cut(ask.Firewall, "/")
	if !ok {
		refuse(w, http.StatusBadRequest, "write the firewall as namespace/name")
		return
	}
	var f ingot.Firewall
	if err := who.live.Get(r.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &f); err != nil {
		s.fail(w, err)
		return
	}
	before := f.DeepCopy()
	if err := (firewallcli.Replacing{Image: ask.Image, Host: ask.Host, Reason: ask.Reason, Cancel: ask.Cancel}).Change(&f, s.o.Now()); err != nil {
		refuse(w, http.StatusConflict, err.Error())
		return
	}
	if err := who.live.Patch(r.Context(), &f, client.MergeFrom(before)); err != nil {
		s.fail(w, err)
		return
	}
	reply(w, struct{}{})
}

func networksOf(f *ingot.Firewall) []FirewallNetwork {
	all := make([]FirewallNetwork, 0, len(f.Spec.Networks))
	for i := range f.Status.Networks {
		n := &f.Status.Networks[i]
		x := FirewallNetwork{Network: n.Network, Inside: n.Inside, Prefixes: n.Prefixes, Addresses: n.Addresses, Masquerade: n.Masquerade}
		if n.NIC != nil {
			x.Card = firewallcli.Card(n.NIC)
		}
		for _, p := range n.OneToOne {
			x.OneToOne = append(x.OneToOne, p.Outside+" stands for "+p.Inside)
		}
		all = append(all, x)
	}
	return all
}

// rulesIn are all of them: an empty list where there are none, since null is no list to a browser.
func rulesIn(f *ingot.Firewall, current bool) []FirewallRule {
	return append(rulesOf(f, "egress", f.Spec.Egress, current), rulesOf(f, "ingress", f.Spec.Ingress, current)...)
}

// rulesOf are the rules of a direction. Which of an earlier generation the machine still has it does not say: where that is not the object's, each waits.
func rulesOf(f *ingot.Firewall, direction string, rules []ingot.FirewallRule, current bool) []FirewallRule {
	all := make([]FirewallRule, 0, len(rules))
	for i := range rules {
		r := &rules[i]
		x := FirewallRule{
			Name: direction + "/" + r.Name, Protocol: string(r.Protocol), Ports: r.Ports, From: r.From, To: r.To, ToFQDNs: r.ToFQDNs, Family: string(r.Family),
			Limit: r.NewConnectionsPerSecond, Comment: r.Comment, State: ruleEnforced,
		}
		switch {
		case !current:
			x.State = ruleWaits
		case len(r.ToFQDNs) > 0 && !learned(f, r.ToFQDNs):
			x.State = ruleNameless
		}
		all = append(all, x)
	}
	return all
}

// learned says whether a client has an address of one of the names now.
func learned(f *ingot.Firewall, patterns []string) bool {
	return slices.ContainsFunc(f.Status.Names, func(n ingot.FirewallName) bool {
		return len(n.Addresses) > 0 && names.Any(patterns, n.Name)
	})
}

func namesOf(f *ingot.Firewall) []FirewallName {
	all := make([]FirewallName, 0, len(f.Status.Names))
	for _, n := range f.Status.Names {
		all = append(all, FirewallName{n.Name, n.Addresses, at(n.Until), n.Answers, n.Refused, n.Problem})
	}
	return all
}

func dropsOf(f *ingot.Firewall) []FirewallDrop {
	all := make([]FirewallDrop, 0, len(f.Status.Drops))
	for _, d := range f.Status.Drops {
		wire := d.Protocol
		if d.Port != 0 {
			wire = fmt.Sprintf("%s/%d", d.Protocol, d.Port)
		}
		all = append(all, FirewallDrop{d.From, d.To, wire, d.Packets, d.By, at(&d.Last)})
	}
	return all
}

// refusals sums up, the most packets first.
func refusals(f *ingot.Firewall, of func(ingot.FirewallDrop) string) []Refusal {
	sums := map[string]*Refusal{}
	for _, d := range f.Status.Drops {
		what := of(d)
		if sums[what] == nil {
			sums[what] = &Refusal{What: what}
		}
		sums[what].Packets += d.Packets
		sums[what].Flows++
	}
	all := make([]Refusal, 0, len(sums))
	for _, r := range sums {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(x, y Refusal) int { return cmp.Or(cmp.Compare(y.Packets, x.Packets), cmp.Compare(x.What, y.What)) })
	return all
}

// explain answers what the address asks: from, to, protocol and port of a packet, as `ingot firewall explain` does.
func (b *FirewallBody) explain(f *ingot.Firewall, q url.Values) {
	p := Packet{strings.TrimSpace(q.Get("from")), strings.TrimSpace(q.Get("to")), cmp.Or(q.Get("protocol"), "TCP"), strings.TrimSpace(q.Get("port"))}
	if p.From == "" && p.To == "" {
		return
	}
	b.Packet = &p
	port, err := strconv.ParseUint(cmp.Or(p.Port, "0"), 10, 16)
	if err != nil {
		b.Wrong = fmt.Sprintf("port %q: write a number from 1 to 65535", p.Port)
		return
	}
	e, err := firewallcli.Explain(f, p.From, p.To, p.Protocol, uint16(port))
	if err != nil {
		b.Wrong = strings.TrimPrefix(err.Error(), "--")
		return
	}
	b.Answer = &e
}
