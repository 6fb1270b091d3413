package bmcsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// FuzzRequests sends any request with right credentials to BMCs of all makes: no panic, and every answer is a JSON object, an error body where it is one.
func FuzzRequests(f *testing.F) {
	people := bmcsim.Personalities()
	for i := range people {
		for path, body := range map[string]string{
			"Systems/1":                              `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once","BootSourceOverrideMode":null}}`,
			"Systems/1/Actions/ComputerSystem.Reset": `{"ResetType":"On"}`,
			"Managers/1/VirtualMedia/Cd":             `{"Image":"http://h/a.iso","Inserted":true}`,
			"Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia":        `{"Image":"https://h/a.iso","TransferProtocolType":"HTTPS"}`,
			"Systems/1/LogServices/HostLogger/Entries?$skip=-1":                  "",
			"SessionService/Sessions":                                            `{"UserName":"admin","Password":"secret"}`,
			"Systems/1/SecureBoot":                                               `{"SecureBootEnable":true}`,
			"Managers/iDRAC.Embedded.1/Oem/Dell/DellAttributes/iDRAC.Embedded.1": `{"Attributes":{"ServerBoot.1.BootOnce":1}}`,
			"Systems/1/Processors/01":                                            "[]",
		} {
			for _, method := range []string{"GET", "POST", "PATCH"} {
				f.Add(uint8(i), method, path, body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, method, path, body string) {
		nowhere := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network here") }
		r := newRig(t, bmcsim.Options{MediaDial: nowhere}, func(c *bmcsim.Config) { c.Personality = people[int(which)%len(people)] })
		req, err := http.NewRequestWithContext(t.Context(), method, "https://bmc/redfish/v1/"+path, strings.NewReader(body))
		if err != nil {
			return // what net/http refuses to send never reaches a BMC
		}
		addr, err := net.ResolveTCPAddr("tcp", r.bmc.HostPort())
		must(t, err)
		req = req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, net.Addr(addr)))
		req.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		r.server.ServeHTTP(w, req)
		checkReply(t, w)
	})
}

func checkReply(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code == http.StatusNoContent || w.Body.Len() == 0 || strings.HasPrefix(w.Body.String(), "<?xml") {
		return
	}
	var doc struct {
		ID    string `json:"@odata.id"`
		V1    string `json:"v1"`
		Error struct {
			Info []struct{ MessageID, Message string } `json:"@Message.ExtendedInfo"`
		} `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatalf("%d with a body that is no JSON object: %v: %s", w.Code, err, w.Body)
	}
	if w.Code >= 400 && (len(doc.Error.Info) == 0 || doc.Error.Info[0].MessageID == "" || doc.Error.Info[0].Message == "") {
		t.Errorf("%d without a message: %s", w.Code, w.Body)
	}
}
