package web

import (
	"net/url"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/audit"
)

// TestTheTrailsFilterIsTheCommands: what `ingot audit list` takes, the address takes, and what is not known is refused rather than dropped.
func TestTheTrailsFilterIsTheCommands(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		query string
		want  audit.Filter
		last  int
		wrong bool
	}{
		{query: "", last: lastRecords},
		{query: "user=alice&failed=true&last=500&verb=", want: audit.Filter{User: "alice", Failed: true}, last: 500},
		{query: "since=24h&kind=secrets&namespace=n", want: audit.Filter{Since: now.Add(-24 * time.Hour), Kind: "secrets", Namespace: "n"}, last: lastRecords},
		{query: "secretReads=true&intents=true&all=true", want: audit.Filter{SecretReads: true, Intents: true, All: true}, last: lastRecords},
		{query: "since=yesterday", wrong: true},
		{query: "last=0", wrong: true},
		{query: "last=99999999", wrong: true},
		{query: "colour=red", wrong: true},
		{query: "failed=perhaps", wrong: true},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		got, last, err := trailFilter(q, now)
		if (err != nil) != c.wrong || !c.wrong && (got != c.want || last != c.last) {
			t.Errorf("%s: %+v, last %d, %v", c.query, got, last, err)
		}
	}
}

// TestTheTailIsBounded: the newest stay, what was left out is counted, and a line that is not as it was written is told of.
func TestTheTailIsBounded(t *testing.T) {
	x := &tail{most: 3}
	var prev audit.Hash
	for seq := uint64(1); seq <= 20; seq++ {
		line, hash, err := audit.Seal(audit.Record{Seq: seq, Kind: audit.KindRequest, Prev: prev.String(), Request: &audit.Request{User: "alice", Verb: "get"}})
		if err != nil {
			t.Fatal(err)
		}
		prev = hash
		x.add(line)
	}
	x.add([]byte(`{"seq":21,"kind":"request"}`))
	records, more, altered, err := x.newest()
	if err != nil || len(records) != 3 || records[0].Seq != 20 || records[2].Seq != 18 || more != 17 || altered != 1 || x.through != 20 {
		t.Errorf("%d records, %d more, %d altered, through %d: %v", len(records), more, altered, x.through, err)
	}
}
