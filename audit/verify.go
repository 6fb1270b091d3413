package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Fault is a way in which a chain is broken.
type Fault string

// The faults.
const (
	// Altered: a line is not as it was written, or another stands in its place.
	Altered Fault = "Altered"
	// Missing: records between two others, or before the first, are not there.
	Missing Fault = "Missing"
	// Reordered: a record stands after one that was written later.
	Reordered Fault = "Reordered"
	// Repeated: a record stands there twice.
	Repeated Fault = "Repeated"
	// TwoWriters: two different records have one number, both whole.
	TwoWriters Fault = "TwoWriters"
	// Cut: the end that a head vouches for is not there.
	Cut Fault = "Cut"
	// Torn: the last line has no end.
	Torn Fault = "Torn"
	// Unsigned: a checkpoint or head is not signed by a known key.
	Unsigned Fault = "Unsigned"
)

// Finding is one place where a chain is broken.
type Finding struct {
	Fault Fault `json:"fault"`
	// File and Line are where, Line from 1; empty and 0 where it is the end.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Seq is the first record concerned, Through the last one; the same for one alone.
	Seq     uint64 `json:"seq"`
	Through uint64 `json:"through"`
	Message string `json:"message"`
}

func (f Finding) String() string {
	where := "at the end"
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s: %s: %s", where, f.Fault, f.Message)
}

// Report is the outcome of a verification.
type Report struct {
	Findings []Finding `json:"findings"`
	// First and Last are the records at the ends; 0 for an empty trail.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Records is how many whole ones were read.
	Records uint64 `json:"records"`
	// Head is the end, to be kept elsewhere.
	Head Head `json:"head"`
	// SignedThrough is the last record that a verified checkpoint or head covers, SignedAt that one's time.
	SignedThrough uint64    `json:"signedThrough"`
	SignedAt      time.Time `json:"signedAt"`
	Checkpoints   int       `json:"checkpoints"`
	// Lost is how many entries the trail itself says could not be written.
	Lost uint64 `json:"lost"`
	// Repairs is how often a torn end was repaired, and said so.
	Repairs int `json:"repairs"`
	// RemovedThrough is the last record that was removed by retention.
	RemovedThrough uint64 `json:"removedThrough,omitempty"`
}

// window is how many records back a repeated number is told from a moved one.
const window = 8192

// Verifier reads a trail line by line, oldest first. The zero Verifier has no keys and is ready; without keys signatures are not checked.
type Verifier struct {
	// Keys are those that may sign; nil: signatures are not checked.
	Keys Keys
	// Heads are ends that the trail must have reached, in any order. One that names a Key is checked against Keys.
	Heads []Head

	report Report
	begun  bool
	last   Hash
	known  bool // last is the hash of record report.Last as it was written
	recent map[uint64]Hash
	heads  map[uint64][]Head
}

// Add takes the next line, without its newline.
func (v *Verifier) Add(file string, number int, line []byte) {
	v.prepare()
	r, h, err := Parse(line)
	if err != nil {
		seq := v.report.Last + 1
		v.find(Finding{Altered, file, number, seq, seq, fmt.Sprintf("record %d: %v", seq, err)})
		// It stands for the next number; what comes after it is held to that.
		if !v.begun {
			v.begun, v.report.First = true, seq
		}
		v.report.Last, v.known = seq, false
		return
	}
	v.report.Records++
	v.place(file, number, r, h)
	v.content(file, number, r)
}

// Torn tells of bytes after the last newline.
func (v *Verifier) Torn(file string, number, length int) {
	seq := v.report.Last + 1
	v.find(Finding{Torn, file, number, seq, seq, fmt.Sprintf("the last line has no end (%d bytes): the writer was interrupted, or is writing now", length)})
}

// place holds a whole record against the one before it.
func (v *Verifier) place(file string, number int, r Record, h Hash) {
	next := v.report.Last + 1
	switch {
	case !v.begun:
		v.begun, v.report.First = true, r.Seq
		if r.Seq == 1 && r.Prev != (Hash{}).String() {
			v.find(Finding{Altered, file, number, 1, 1, "record 1 names one before it"})
		}
	case r.Seq == next:
		if v.known && r.Prev != v.last.String() {
			v.find(Finding{Altered, file, number, v.report.Last, r.Seq, fmt.Sprintf("record %d was written after another record %d than the one that stands there", r.Seq, v.report.Last)})
		}
	case r.Seq > next:
		v.find(Finding{Missing, file, number, next, r.Seq - 1, records(next, r.Seq-1) + " missing before this line"})
	default:
		v.again(file, number, r, h)
		return
	}
	v.advance(r.Seq, h)
}

func (v *Verifier) advance(seq uint64, h Hash) {
	v.report.Last, v.last, v.known = seq, h, true
	v.recent[seq] = h
	delete(v.recent, seq-window)
	v.meet(seq, h)
}

// again judges a record whose number is not above the last one's.
func (v *Verifier) again(file string, number int, r Record, h Hash) {
	before, seen := v.recent[r.Seq]
	f := Finding{File: file, Line: number, Seq: r.Seq, Through: r.Seq}
	switch {
	case seen && before == h:
		f.Fault, f.Message = Repeated, fmt.Sprintf("record %d stands there a second time", r.Seq)
	case seen:
		f.Fault, f.Message = TwoWriters, fmt.Sprintf("a second record %d, whole and different from the first: two processes wrote, or a copy was put in", r.Seq)
	default:
		f.Fault, f.Message = Reordered, fmt.Sprintf("record %d stands after record %d", r.Seq, v.report.Last)
		v.recent[r.Seq] = h
		v.meet(r.Seq, h)
	}
	v.find(f)
}

// meet compares a record with the heads of its number.
func (v *Verifier) meet(seq uint64, h Hash) {
	for _, head := range v.heads[seq] {
		if head.Hash != h.String() {
			v.find(Finding{Altered, "", 0, seq, seq, fmt.Sprintf("record %d is another one than the head %s vouches for", seq, head)})
		} else if head.Key != "" && v.Keys != nil && head.Time.After(v.report.SignedAt) {
			v.report.SignedThrough, v.report.SignedAt = seq, head.Time
		}
	}
	delete(v.heads, seq)
}

func (v *Verifier) content(file string, number int, r Record) {
	switch {
	case r.Checkpoint != nil:
		v.report.Checkpoints++
		if v.Keys == nil {
			return
		}
		err := v.Keys.verify(r.Checkpoint.Key, r.Checkpoint.Signature, signed(domainCheckpoint, r.Seq, r.Prev, r.Time))
		if err != nil {
			v.find(Finding{Unsigned, file, number, r.Seq, r.Seq, fmt.Sprintf("checkpoint %d: %v; the records since %d are not vouched for", r.Seq, err, v.report.SignedThrough+1)})
			return
		}
		v.report.SignedThrough, v.report.SignedAt = r.Seq-1, r.Time
	case r.Kind == KindLost:
		v.report.Lost += r.Notice.Count
	case r.Kind == KindRepair:
		v.report.Repairs++
	case r.Kind == KindRemoved:
		v.report.RemovedThrough = max(v.report.RemovedThrough, r.Notice.Through)
	}
}

// End closes the verification.
func (v *Verifier) End() Report {
	v.prepare()
	r := &v.report
	if v.begun && r.First > r.RemovedThrough+1 {
		v.find(Finding{Missing, "", 0, r.RemovedThrough + 1, r.First - 1, fmt.Sprintf("the trail begins with record %d, and %s not known to have been removed", r.First, were(r.RemovedThrough+1, r.First-1))})
	}
	var left []uint64
	for seq := range v.heads {
		left = append(left, seq)
	}
	slices.Sort(left)
	for _, seq := range left {
		switch {
		case seq > r.Last:
			v.find(Finding{Cut, "", 0, r.Last + 1, seq, fmt.Sprintf("the trail ends with record %d, and a head vouches for %d: %s cut off", r.Last, seq, were(r.Last+1, seq))})
		case seq >= r.First:
			v.find(Finding{Missing, "", 0, seq, seq, fmt.Sprintf("record %d, which a head vouches for, is not whole", seq)})
		}
	}
	if v.known {
		r.Head = Head{Seq: r.Last, Hash: v.last.String()}
	}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return *r
}

func (v *Verifier) prepare() {
	if v.recent != nil {
		return
	}
	v.recent, v.heads = map[uint64]Hash{}, map[uint64][]Head{}
	for _, h := range v.Heads {
		if h.Key != "" && v.Keys != nil {
			if err := v.Keys.Verify(h); err != nil {
				v.find(Finding{Unsigned, "", 0, h.Seq, h.Seq, fmt.Sprintf("the head of record %d: %v", h.Seq, err)})
				if !errors.Is(err, errUnknownKey) {
					continue
				}
			}
		}
		v.heads[h.Seq] = append(v.heads[h.Seq], h)
	}
}

func (v *Verifier) find(f Finding) { v.report.Findings = append(v.report.Findings, f) }

func records(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("record %d is", from)
	}
	return fmt.Sprintf("records %d to %d are", from, to)
}

func were(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("record %d was", from)
	}
	return fmt.Sprintf("records %d to %d were", from, to)
}
