package names_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ingotmetal/ingot/firewall/names"
)

func query(name string, kind dnsmessage.Type, size int) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}}}
	if size > 0 {
		o := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
		o.Header.Name, o.Header.Type, o.Header.Class = dnsmessage.MustNewName("."), dnsmessage.TypeOPT, dnsmessage.Class(size)
		m.Additionals = append(m.Additionals, o)
	}
	return pack(m)
}

func pack(m dnsmessage.Message) []byte {
	wire, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return wire
}

// record reads "name ttl A address" and the like.
func record(text string) dnsmessage.Resource {
	f := strings.Fields(text)
	ttl, _ := time.ParseDuration(f[1])
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(f[0]), Class: dnsmessage.ClassINET, TTL: uint32(ttl / time.Second)}}
	switch f[2] {
	case "A":
		r.Body = &dnsmessage.AResource{A: netip.MustParseAddr(f[3]).As4()}
	case "AAAA":
		r.Body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(f[3]).As16()}
	case "CNAME":
		r.Body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(f[3])}
	case "CHAOS":
		r.Header.Class, r.Body = dnsmessage.ClassCHAOS, &dnsmessage.AResource{A: netip.MustParseAddr(f[3]).As4()}
	default:
		r.Body = &dnsmessage.UnknownResource{Type: 4711, Data: []byte(f[3])}
	}
	return r
}

func answer(id uint16, question string, records ...string) dnsmessage.Message {
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, Response: true}, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(question), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	for _, r := range records {
		m.Answers = append(m.Answers, record(r))
	}
	return m
}

func asked(t *testing.T, wire []byte) names.Query {
	t.Helper()
	q, err := names.ReadQuery(wire)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// Addresses are those of the question, along the CNAMEs of the answer, wherever they stand in it, and of nobody else.
func TestAnswers(t *testing.T) {
	q := asked(t, query("Api.Example.ORG.", dnsmessage.TypeA, 0))
	if q.Name != "api.example.org" {
		t.Errorf("the name is %q", q.Name)
	}
	for name, c := range map[string]struct {
		records []string
		want    string
	}{
		"one":                  {[]string{"api.example.org. 300s A 192.0.2.1"}, "192.0.2.1 5m0s"},
		"both families":        {[]string{"API.example.org. 300s A 192.0.2.1", "api.example.org. 60s AAAA 2001:db8::1"}, "192.0.2.1 2001:db8::1 1m0s"},
		"a chain":              {[]string{"api.example.org. 30s CNAME b.example.net.", "b.example.net. 60s CNAME c.example.", "c.example. 90s A 192.0.2.3"}, "192.0.2.3 30s"},
		"a chain, backwards":   {[]string{"c.example. 90s A 192.0.2.3", "b.example.net. 20s CNAME c.example.", "api.example.org. 30s CNAME b.example.net."}, "192.0.2.3 20s"},
		"a circle":             {[]string{"api.example.org. 30s CNAME b.example.net.", "b.example.net. 60s CNAME api.example.org."}, ""},
		"another's":            {[]string{"www.bank.example. 300s A 192.0.2.66", "api.example.org. 300s A 192.0.2.1"}, "192.0.2.1 5m0s"},
		"beside the chain":     {[]string{"api.example.org. 30s CNAME b.example.net.", "x.example.net. 60s A 192.0.2.66"}, ""},
		"another class":        {[]string{"api.example.org. 300s CHAOS 192.0.2.66"}, ""},
		"an unknown type":      {[]string{"api.example.org. 300s UNKNOWN data"}, ""},
		"mapped, as it stands": {[]string{"api.example.org. 300s AAAA ::ffff:10.0.0.1"}, "::ffff:10.0.0.1 5m0s"},
	} {
		a, err := q.ReadAnswer(9, pack(answer(9, "api.example.org.", c.records...)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		for _, x := range a.Addresses {
			got += x.String() + " "
		}
		if got != "" {
			got += a.TTL.String()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	other := answer(9, "api.example.org.", "api.example.org. 300s A 192.0.2.1")
	for name, spoil := range map[string]func(m *dnsmessage.Message){
		"another ID":       func(m *dnsmessage.Message) { m.ID = 8 },
		"a query":          func(m *dnsmessage.Message) { m.Response = false },
		"another question": func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("x.example.") },
		"another type":     func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA },
		"no question":      func(m *dnsmessage.Message) { m.Questions = nil },
	} {
		m := other
		m.Questions = append([]dnsmessage.Question(nil), other.Questions...)
		spoil(&m)
		if _, err := q.ReadAnswer(9, pack(m)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, spoil := range map[string]func(m *dnsmessage.Message){
		"truncated": func(m *dnsmessage.Message) { m.Truncated = true }, "no such name": func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError },
	} {
		m := other
		spoil(&m)
		if a, err := q.ReadAnswer(9, pack(m)); err != nil || len(a.Addresses) > 0 {
			t.Errorf("%s: %v, %v", name, a.Addresses, err)
		}
	}
}

// Addresses of other names, of a failed answer, or of the additional section were looked at by nobody, and reach nobody.
func TestNoAddressPassesUnseen(t *testing.T) {
	q := asked(t, query("api.example.org.", dnsmessage.TypeA, 0))
	for name, spoil := range map[string]func(m *dnsmessage.Message){
		"another name's": func(m *dnsmessage.Message) { m.Answers = append(m.Answers, record("inside.example. 60s A 10.77.1.1")) },
		"additional": func(m *dnsmessage.Message) {
			m.Additionals = append(m.Additionals, record("api.example.org. 60s A 10.77.1.1"))
		},
		"of a failure": func(m *dnsmessage.Message) {
			m.RCode, m.Answers = dnsmessage.RCodeNameError, []dnsmessage.Resource{record("api.example.org. 60s A 10.77.1.1")}
		},
	} {
		m := answer(9, "api.example.org.", "api.example.org. 60s A 192.0.2.1")
		spoil(&m)
		a, err := q.ReadAnswer(9, pack(m))
		if err != nil {
			t.Fatal(err)
		}
		wire, err := q.Pass(a, 0, time.Hour)
		var got dnsmessage.Message
		if err != nil || got.Unpack(wire) != nil {
			t.Fatal(err)
		}
		for _, r := range append(got.Answers, got.Additionals...) {
			if body, ok := r.Body.(*dnsmessage.AResource); ok && body.A != [4]byte{192, 0, 2, 1} {
				t.Errorf("%s: the client gets %v", name, body.A)
			}
		}
		if want := len(a.Addresses); len(got.Answers) != want {
			t.Errorf("%s: %d records, want the %d that were looked at", name, len(got.Answers), want)
		}
	}
}

// What the client gets: its own ID and spelling, TTLs that the firewall can keep, and what is too long is cut as a whole.
func TestWhatTheClientGets(t *testing.T) {
	for _, c := range []struct {
		edns, records, size int
		cut                 bool
	}{{0, 2, 0, false}, {0, 100, 0, false}, {0, 2, 512, false}, {0, 100, 512, true}, {4096, 60, 1232, false}, {4096, 100, 1232, true}, {100, 100, 512, true}} {
		q := asked(t, query("API.example.org.", dnsmessage.TypeA, c.edns))
		m := answer(9, "api.example.org.", "api.example.org. 90000s UNKNOWN data")
		for i := range c.records {
			m.Answers = append(m.Answers, record("api.example.org. 86400s A 192.0.2."+string(rune('0'+i%10))))
		}
		a, err := q.ReadAnswer(9, pack(m))
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		if c.size > 0 {
			if size = q.Size(); size != c.size {
				t.Errorf("%+v: the size is %d", c, size)
			}
		}
		wire, err := q.Pass(a, size, time.Hour)
		var got dnsmessage.Message
		if err != nil || got.Unpack(wire) != nil || got.ID != 7 || got.Questions[0].Name.String() != "API.example.org." || got.Truncated != c.cut || c.cut && len(got.Answers) > 0 || size > 0 && len(wire) > size {
			t.Errorf("%+v: %v, %d bytes: %+v", c, err, len(wire), got.Header)
		}
		if c.cut && (c.edns > 0) != (len(got.Additionals) == 1) {
			t.Errorf("%+v: EDNS is answered with %+v", c, got.Additionals)
		}
		for _, r := range got.Answers {
			if r.Header.TTL != 3600 {
				t.Errorf("a TTL of %d", r.Header.TTL)
			}
		}
	}
}

func TestWhatIsNoQuestion(t *testing.T) {
	good := query("a.example.", dnsmessage.TypeA, 1232)
	var m dnsmessage.Message
	for name, spoil := range map[string]func(){
		"an answer": func() { m.Response = true }, "an update": func() { m.OpCode = 5 }, "two questions": func() { m.Questions = append(m.Questions, m.Questions[0]) }, "none": func() { m.Questions = nil },
		"another class": func() { m.Questions[0].Class = dnsmessage.ClassCHAOS }, "with an answer": func() { m.Answers = []dnsmessage.Resource{record("a.example. 1s A 192.0.2.1")} },
	} {
		if err := m.Unpack(good); err != nil {
			t.Fatal(err)
		}
		spoil()
		if _, err := names.ReadQuery(pack(m)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	q := asked(t, good)
	for failed, want := range map[bool]dnsmessage.RCode{false: dnsmessage.RCodeRefused, true: dnsmessage.RCodeServerFailure} {
		if err := m.Unpack(q.Refuse(failed)); err != nil || m.RCode != want || m.ID != 7 || !m.Response {
			t.Errorf("%v: %+v", err, m.Header)
		}
	}
}

// FuzzMessages: whatever anybody sends, nothing breaks, and of what is taken the addresses are within the message and the client gets what can be read.
func FuzzMessages(f *testing.F) {
	f.Add(query("api.example.org.", dnsmessage.TypeA, 0), pack(answer(9, "api.example.org.", "api.example.org. 30s CNAME b.example.net.", "b.example.net. 60s A 192.0.2.1")))
	f.Add(query("api.example.org.", dnsmessage.TypeAAAA, 4096), pack(answer(9, "api.example.org.", "api.example.org. 30s AAAA 2001:db8::1")))
	f.Add(query("_x._tcp.example.org.", 65, 1232), []byte("\x00\x09\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03api\x07example\x03org\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"))
	f.Add([]byte("\x00\x09\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03api\x07example\x03org\x00\x00\x01\x00\x01"), []byte("\x00\x09\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, asks, says []byte) {
		q, err := names.ReadQuery(asks)
		if err != nil {
			return
		}
		if wire, err := q.Ask(9); err == nil {
			if again, err := names.ReadQuery(wire); err != nil || again.Name != q.Name {
				t.Fatalf("what is asked on is another question: %v", err)
			}
		}
		var m dnsmessage.Message
		if wire := q.Refuse(true); m.Unpack(wire) != nil {
			t.Fatalf("a refusal that nobody can read: %x", wire)
		}
		a, err := q.ReadAnswer(9, says)
		if err != nil {
			return
		}
		if len(a.Addresses) > len(a.Message.Answers) {
			t.Fatalf("%d addresses of %d records", len(a.Addresses), len(a.Message.Answers))
		}
		for _, size := range []int{0, q.Size()} {
			if wire, err := q.Pass(a, size, time.Hour); err == nil && (m.Unpack(wire) != nil || m.ID != q.Message.ID || size > 0 && len(wire) > size+256) {
				t.Fatalf("the client gets %x", wire)
			}
		}
	})
}
