package redfish_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/secret"
)

// receiver is a web server that events are sent to.
type receiver struct {
	mu  sync.Mutex
	got []bmctest.Received
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var doc struct {
		Context string
		Events  []struct{ Message string }
	}
	if err != nil || json.Unmarshal(body, &doc) != nil || len(doc.Events) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, bmctest.Received{Context: doc.Context, Message: doc.Events[0].Message, Headers: map[string]string{"X-Token": q.Header.Get("X-Token")}})
}

func (r *receiver) received() []bmctest.Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// eventsRig is how a simulated BMC sends events.
func eventsRig(t *testing.T, s sim, p bmcsim.Personality) *bmctest.Events {
	t.Helper()
	if p.NoEvents {
		return nil
	}
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return &bmctest.Events{
		Streams: !p.NoEventStream, Cut: s.bmc.DropSessions, Receiver: server.URL + "/events", Received: r.received,
		Subscribed: func() (out []bmc.Subscription) {
			for _, sub := range s.bmc.Subscriptions() {
				headers := map[string]secret.String{}
				for k, v := range sub.Headers {
					headers[k] = secret.New(v)
				}
				out = append(out, bmc.Subscription{ID: sub.ID, Destination: sub.Destination, Context: sub.Context, Headers: headers})
			}
			return out
		},
	}
}

func healthRig(s sim) *bmctest.Health {
	return &bmctest.Health{
		Sensor: "CPU1 Temp", Worsen: func() { s.bmc.SetFaults(bmcsim.Faults{CriticalSensor: "CPU1 Temp"}) }, Heal: func() { s.bmc.SetFaults(bmcsim.Faults{}) },
	}
}
