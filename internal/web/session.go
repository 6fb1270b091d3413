package web

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

const (
	// cookieName has the prefix that browsers take over TLS only, for this host and the whole of it.
	cookieName = "__Host-ingot"
	// longestSession bounds a session whose token says no end.
	longestSession = 12 * time.Hour
	// mostSessions bounds the memory of the book: the one that was used longest ago goes.
	mostSessions = 256
)

// book is who is logged in. It is in memory: a process that is started again asks people to log in again, and none of their tokens is on a disk.
type book struct {
	now func() time.Time

	mu   sync.Mutex
	open map[[sha256.Size]byte]*entry
}

type entry struct {
	who  *person
	used time.Time
}

func newBook(now func() time.Time) *book {
	return &book{now: now, open: map[[sha256.Size]byte]*entry{}}
}

// begin gives a cookie for somebody.
func (b *book) begin(who *person) *http.Cookie {
	id := rand.Text() + rand.Text()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep()
	b.open[sha256.Sum256([]byte(id))] = &entry{who, b.now()}
	return &http.Cookie{Name: cookieName, Value: id, Path: "/", Expires: who.until, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// sweep ends what is over, and the oldest where there are too many.
func (b *book) sweep() {
	now := b.now()
	for key, e := range b.open {
		if !now.Before(e.who.until) || e.who.ended() {
			b.end(key)
		}
	}
	for len(b.open) >= mostSessions {
		var oldest [sha256.Size]byte
		first := true
		for key, e := range b.open {
			if first || e.used.Before(b.open[oldest].used) {
				oldest, first = key, false
			}
		}
		b.end(oldest)
	}
}

func (b *book) end(key [sha256.Size]byte) {
	if e := b.open[key]; e != nil {
		e.who.close()
		delete(b.open, key)
	}
}

// of is who sends a request; nil: nobody that is known.
func (b *book) of(r *http.Request) *person {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	key := sha256.Sum256([]byte(c.Value))
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.open[key]
	switch {
	case e == nil:
		return nil
	case !b.now().Before(e.who.until) || e.who.ended():
		b.end(key)
		return nil
	}
	e.used = b.now()
	return e.who
}

// leave ends the session of a request.
func (b *book) leave(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.end(sha256.Sum256([]byte(c.Value)))
	}
}

func (b *book) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.open {
		b.end(key)
	}
}
