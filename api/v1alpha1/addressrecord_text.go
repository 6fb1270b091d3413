package v1alpha1

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server holds each object decoded, with a map of some hundred bytes for every object within it: with addresses as objects the records of 60,000 were 35 MB that its garbage collector marked again and again,
// a quarter of them as lines. So they are stored as lines, and are objects in Go only.

// MarshalJSON writes Addresses as Held.
func (s AddressRecordSpec) MarshalJSON() ([]byte, error) {
	type plain AddressRecordSpec
	p := plain(s)
	p.Addresses, p.Held = nil, nil
	for i := range s.Addresses {
		line, err := s.Addresses[i].line()
		if err != nil {
			return nil, err
		}
		p.Held = append(p.Held, line)
	}
	return json.Marshal(p)
}

// UnmarshalJSON reads Held into Addresses, beside those that were stored as objects.
func (s *AddressRecordSpec) UnmarshalJSON(text []byte) error {
	type plain AddressRecordSpec
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	for _, line := range p.Held {
		a, err := parseRecordedAddress(line)
		if err != nil {
			return err
		}
		p.Addresses = append(p.Addresses, a)
	}
	p.Held = nil
	*s = AddressRecordSpec(p)
	return nil
}

// The words of a line. It begins with the address; words without a value are left out.
const (
	wordPool    = "pool"
	wordClaim   = "claim"
	wordUID     = "uid"
	wordAs      = "as"
	wordTurn    = "turn"
	wordUntil   = "until"
	wordPending = "pending"

	// lastYear is the last that RFC 3339 can write.
	lastYear = 9999
)

// line is how an address is stored. Names and UIDs have no blanks; one that does is an error.
func (a *RecordedAddress) line() (string, error) {
	var b strings.Builder
	b.WriteString(a.Address)
	word := func(name, value string) {
		if value != "" {
			b.WriteString(" " + name + "=" + value)
		}
	}
	word(wordPool, a.Pool)
	word(wordClaim, a.Claim)
	word(wordUID, a.UID)
	word(wordAs, a.As)
	if a.Turn != 0 {
		word(wordTurn, strconv.FormatInt(a.Turn, 10))
	}
	if a.Until != nil {
		word(wordUntil, a.Until.UTC().Format(time.RFC3339))
	}
	word(wordPending, a.Pending)
	for _, value := range []string{a.Address, a.Pool, a.Claim, a.UID, a.As, a.Pending} {
		if strings.ContainsFunc(value, blank) {
			return "", fmt.Errorf("record the address %q: %q has a blank in it", a.Address, value)
		}
	}
	return b.String(), nil
}

func blank(r rune) bool { return r <= ' ' }

// parseRecordedAddress reads a line back. What is not understood is an error and never left out: it may say who holds the address.
func parseRecordedAddress(line string) (a RecordedAddress, err error) {
	words := strings.Split(line, " ")
	if address, err := netip.ParseAddr(words[0]); err != nil {
		return a, fmt.Errorf("recorded address %q: it does not begin with an address: %w", line, err)
	} else if address.Zone() != "" {
		return a, fmt.Errorf("recorded address %q: an address of a network has no zone", line)
	}
	a.Address = words[0]
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		if value == "" || strings.ContainsFunc(value, blank) {
			return a, fmt.Errorf("recorded address %q: the word %q has no value", line, name)
		}
		text := a.text(name)
		switch {
		case text != nil && *text == "":
			*text = value
		case name == wordTurn && a.Turn == 0:
			if a.Turn, err = strconv.ParseInt(value, 10, 64); err != nil {
				return a, fmt.Errorf("recorded address %q: %w", line, err)
			}
		case name == wordUntil && a.Until == nil:
			until, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return a, fmt.Errorf("recorded address %q: %w", line, err)
			}
			if year := until.UTC().Year(); year < 1 || year > lastYear {
				return a, fmt.Errorf("recorded address %q: there is no year %d", line, year)
			}
			a.Until = &metav1.Time{Time: until}
		default:
			return a, fmt.Errorf("recorded address %q: the word %q is there twice, or was written by a newer version", line, name)
		}
	}
	if a.Pool == "" || a.Claim == "" {
		return a, fmt.Errorf("recorded address %q: it names no pool or no claim", line)
	}
	return a, nil
}

// text is the field that a word without a further meaning fills; nil: it is none of them.
func (a *RecordedAddress) text(word string) *string {
	switch word {
	case wordPool:
		return &a.Pool
	case wordClaim:
		return &a.Claim
	case wordUID:
		return &a.UID
	case wordAs:
		return &a.As
	case wordPending:
		return &a.Pending
	}
	return nil
}
