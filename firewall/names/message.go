package names

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The bounds on messages.
const (
	// plainSize is what a client takes over UDP that says nothing else (RFC 1035 section 4.2.1), and largest what we send it at most, which no path cuts in pieces (RFC 9715).
	plainSize = 512
	largest   = 1232
)

// Query is a client's question.
type Query struct {
	// Name is normal.
	Name string
	// Message is what was read.
	Message dnsmessage.Message
}

// ErrNoQuery: what came is no question that a resolver answers. It gets no answer, or whoever writes a false source has others answered.
var ErrNoQuery = errors.New("no DNS query")

// ReadQuery reads a client's message.
func ReadQuery(wire []byte) (Query, error) {
	var m dnsmessage.Message
	if err := m.Unpack(wire); err != nil {
		return Query{}, fmt.Errorf("%w: %w", ErrNoQuery, err)
	}
	if m.Response || m.OpCode != 0 || len(m.Questions) != 1 || len(m.Answers) > 0 || m.Questions[0].Class != dnsmessage.ClassINET {
		return Query{}, fmt.Errorf("%w: want one question of class IN, operation QUERY", ErrNoQuery)
	}
	return Query{Name: Normal(m.Questions[0].Name.String()), Message: m}, nil
}

// Size is how large an answer over UDP may be: what the client says (RFC 6891 section 6.2.3), within bounds.
func (q *Query) Size() int {
	for _, r := range q.Message.Additionals {
		if r.Header.Type == dnsmessage.TypeOPT {
			return max(plainSize, min(int(r.Header.Class), largest))
		}
	}
	return plainSize
}

// Refuse is the answer that says no; with Failed, that it could not be found out.
func (q *Query) Refuse(failed bool) []byte {
	m := q.empty()
	m.RCode = dnsmessage.RCodeRefused
	if failed {
		m.RCode = dnsmessage.RCodeServerFailure
	}
	wire, _ := m.Pack() // the question was read from a message
	return wire
}

// empty is an answer without records.
func (q *Query) empty() dnsmessage.Message {
	h := dnsmessage.Header{ID: q.Message.ID, Response: true, RecursionDesired: q.Message.RecursionDesired, RecursionAvailable: true}
	m := dnsmessage.Message{Header: h, Questions: q.Message.Questions}
	for _, r := range q.Message.Additionals {
		if r.Header.Type == dnsmessage.TypeOPT { // RFC 6891 section 7: who asks with it is answered with it
			o := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
			o.Header.Name, o.Header.Type, o.Header.Class = r.Header.Name, dnsmessage.TypeOPT, dnsmessage.Class(largest)
			m.Additionals = append(m.Additionals, o)
			break
		}
	}
	return m
}

// Answer is what a name server said.
type Answer struct {
	Message dnsmessage.Message
	// Truncated: there is more of it over TCP, and what is there is not looked at.
	Truncated bool
	// Addresses are those of the question's name, along its CNAMEs, in the order of the message; TTL is the shortest on the way.
	Addresses []netip.Addr
	TTL       time.Duration
}

// ErrNoAnswer: what came is no answer to the question.
var ErrNoAnswer = errors.New("no answer to the question")

// ReadAnswer reads what a name server sent for a query that was sent with an ID.
func (q *Query) ReadAnswer(id uint16, wire []byte) (Answer, error) {
	var m dnsmessage.Message
	if err := m.Unpack(wire); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	asked := q.Message.Questions[0]
	if !m.Response || m.ID != id || len(m.Questions) != 1 || m.Questions[0].Type != asked.Type || m.Questions[0].Class != asked.Class || Normal(m.Questions[0].Name.String()) != q.Name {
		return Answer{}, fmt.Errorf("%w: it has another ID, or another question", ErrNoAnswer)
	}
	a := Answer{Message: m, Truncated: m.Truncated}
	if !a.Truncated && m.RCode == dnsmessage.RCodeSuccess {
		a.follow(q.Name)
	}
	return a, nil
}

// follow finds the addresses of a name in the message. Records of other names are no answer: a server of one domain could speak for another.
func (a *Answer) follow(name string) {
	least := uint32(1<<31 - 1)
	seen := map[string]bool{}
	for !seen[name] {
		seen[name] = true
		next := ""
		for _, r := range a.Message.Answers {
			if r.Header.Class != dnsmessage.ClassINET || Normal(r.Header.Name.String()) != name {
				continue
			}
			switch body := r.Body.(type) {
			case *dnsmessage.AResource:
				a.Addresses = append(a.Addresses, netip.AddrFrom4(body.A))
			case *dnsmessage.AAAAResource:
				a.Addresses = append(a.Addresses, netip.AddrFrom16(body.AAAA))
			case *dnsmessage.CNAMEResource:
				next = Normal(body.CNAME.String())
			default:
				continue
			}
			least = min(least, r.Header.TTL)
		}
		if next != "" {
			name = next
		}
	}
	a.TTL = time.Duration(least) * time.Second
}

// Pass is the answer for the client, within a size (0: any, over TCP), with no TTL longer than most: what a client keeps, the firewall has to keep as long. Of a truncated one, whose
// addresses nobody looked at, it has none.
func (q *Query) Pass(a Answer, size int, most time.Duration) ([]byte, error) {
	m := a.Message
	m.ID = q.Message.ID
	// Addresses beside the name's own were not looked at either.
	m.Answers, m.Additionals = slices.DeleteFunc(slices.Clone(m.Answers), a.unseen), slices.DeleteFunc(slices.Clone(m.Additionals), a.unseen)
	m.Questions = q.Message.Questions // as the client wrote it: some mix cases, and want them back
	for _, section := range [][]dnsmessage.Resource{m.Answers, m.Authorities, m.Additionals} {
		for i := range section {
			if h := &section[i].Header; h.Type != dnsmessage.TypeOPT { // whose TTL is none
				h.TTL = min(h.TTL, uint32(most/time.Second))
			}
		}
	}
	wire, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("write the answer for %s: %w", q.Name, err)
	}
	if !a.Truncated && (size == 0 || len(wire) <= size) {
		return wire, nil
	}
	cut := q.empty()
	cut.Truncated = true
	return cut.Pack()
}

// unseen: a record has an address that is not among those that were found.
func (a *Answer) unseen(r dnsmessage.Resource) bool {
	switch body := r.Body.(type) {
	case *dnsmessage.AResource:
		return !slices.Contains(a.Addresses, netip.AddrFrom4(body.A))
	case *dnsmessage.AAAAResource:
		return !slices.Contains(a.Addresses, netip.AddrFrom16(body.AAAA))
	}
	return false
}

// Ask is the query with another ID, for a name server.
func (q *Query) Ask(id uint16) ([]byte, error) {
	m := q.Message
	m.ID = id
	wire, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("write the query for %s: %w", q.Name, err)
	}
	return wire, nil
}
