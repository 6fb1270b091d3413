// Package event says what a BMC's events mean, and what may be done because of them.
//
// It owns an event's kind, the pace at which events may cause readings (Gate), when a stream of events is worth having, and when a broken one is opened again. It refuses sockets and
// payloads: drivers parse them.
//
// Invariant: no event is believed. It names a reason to read, never a state; whoever can make a BMC send events, or send them in its name, can at most cause readings at the Gate's pace.
package event

import (
	"strings"
	"time"

	"github.com/ingotmetal/ingot/health"
)

// Kind is what an event is about.
type Kind string

// The kinds. Other is everything that changes nothing that we keep, logins above all: our own readings cause those.
const (
	Power  Kind = "power"
	Media  Kind = "media"
	Health Kind = "health"
	Task   Kind = "task"
	Test   Kind = "test"
	Other  Kind = "other"
)

// Event is one event as a driver read it. All of it is the BMC's word.
type Event struct {
	Kind Kind
	// MessageID is a message of a registry, "ResourceEvent.1.3.ResourcePoweredOn"; Message its text. Origin is the path of the resource that it is about.
	MessageID, Message, Origin string
	Level                      health.Level
	// At is the BMC's clock, zero for none.
	At time.Time
}

// Wakes says whether an event of this kind is a reason to read the machine's state.
func (k Kind) Wakes() bool { return k == Power || k == Health || k == Media || k == Task }

// words are parts of message keys, and of the paths of what they are about, that tell the kind, in the order of looking. They are DMTF's ResourceEvent, TaskEvent and Base registries, and
// the makers' own words for the same (iLOEvents ServerPoweredOn, OpenBMC DCPowerOff, iDRAC's SYS1000 "turning on").
var words = []struct {
	kind Kind
	keys []string
}{
	{Test, []string{"testmessage", "testevent", "submittest"}},
	{Other, []string{"login", "logout", "sessioncreat", "session.", "accountmodif"}},
	{Task, []string{"taskcompleted", "taskaborted", "taskcancelled", "taskexception", "taskevent.", "jobcompleted"}},
	{Media, []string{"virtualmedia", "mediainserted", "mediaejected"}},
	{Power, []string{"poweredon", "poweredoff", "poweringon", "poweringoff", "dcpoweron", "dcpoweroff", "hostpower", "powerstate", "serverreset", "systemreset", "sys1000", "sys1001", "sys1003"}},
	{Health, []string{"statuschanged", "threshold", "errorsdetected", "errorscorrected", "critical", "degraded", "overtemp", "fanfail", "powersupply", "memoryecc", "driveerror"}},
}

// Classify tells an event's kind by its message, its type (EventType of Event before 1.3), its severity and what it is about.
func Classify(messageID, eventType, origin string, level health.Level) Kind {
	key := strings.ToLower(messageID)
	for _, w := range words {
		for _, k := range w.keys {
			if strings.Contains(key, k) {
				return w.kind
			}
		}
	}
	where := strings.ToLower(origin)
	switch {
	case strings.Contains(where, "/sessions/"):
		return Other
	case strings.Contains(where, "/virtualmedia/"):
		return Media
	case strings.Contains(where, "/tasks/"):
		return Task
	case level == health.Warning || level == health.Critical:
		return Health
	case strings.EqualFold(eventType, "StatusChange") && strings.Contains(where, "/systems/"):
		return Power
	}
	return Other
}
