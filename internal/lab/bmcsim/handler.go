package bmcsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// doc is a JSON object.
type doc = map[string]any

// call is one request to one BMC.
type call struct {
	b      *BMC
	method string
	path   string
	// part is what the pattern's "*" matched.
	part   string
	query  url.Values
	header http.Header
	body   []byte
	// push is the image that was sent, in the place of body.
	push *received
	// user is who was let in.
	user string
}

// reply is one answer, whole, so that a fault may cut it.
type reply struct {
	status int
	header map[string]string
	body   any
}

func ok(d doc) reply   { return reply{status: http.StatusOK, body: d} }
func noContent() reply { return reply{status: http.StatusNoContent} }
func notFound(c *call) reply {
	return refuse(http.StatusNotFound, "ResourceMissingAtURI", "The resource at the URI '"+c.path+"' was not found.")
}

// refuse is an error body (DSP0266 §8.6) with a message of the Base registry.
func refuse(status int, id, message string) reply {
	return reply{status: status, body: doc{"error": doc{
		"code": "Base.1.18.GeneralError", "message": "A general error has occurred. See ExtendedInfo for more information.",
		"@Message.ExtendedInfo": []doc{{
			"@odata.type": "#Message.v1_2_0.Message", "MessageId": "Base.1.18." + id, "Message": message, "MessageSeverity": "Critical", "Resolution": "None.",
		}},
	}}}
}

// maxBody bounds a request.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler for all BMCs.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := s.of(r)
	if b == nil {
		panic(http.ErrAbortHandler) // the BMC was taken away while the connection was open
	}
	path := r.URL.Path
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	c := &call{b: b, method: r.Method, path: path, query: r.URL.Query(), header: r.Header}
	if to := b.who.pushTo(); to != "" && path == to {
		c.push = b.receive(r)
	} else {
		var err error
		if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			return
		}
	}
	if b.restarting() {
		panic(http.ErrAbortHandler)
	}
	if s.opts.ControlPath != "" && path == s.opts.ControlPath {
		write(w, r, b.control(c), false)
		return
	}
	b.mu.Lock()
	faults, slow := b.faults.draw(), b.faults.set.SlowMilliseconds
	b.mu.Unlock()
	if !pause(r, s, time.Duration(slow)*time.Millisecond, faults.hang) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case faults.fail:
		write(w, r, refuse(http.StatusInternalServerError, "InternalError", "The request failed due to an internal service error."), false)
	case faults.busy:
		rep := refuse(http.StatusServiceUnavailable, "ServiceTemporarilyUnavailable", "The service is temporarily unavailable. Retry in 1 seconds.")
		rep.header = map[string]string{"Retry-After": "1"}
		write(w, r, rep, false)
	case b.streams(c):
		b.serveStream(w, r, c)
	default:
		if faults.dropSession {
			b.DropSessions()
		}
		write(w, r, b.answer(c), faults.cut)
	}
}

// pause makes a slow answer slow, and a hanging one endless. It returns false where there is nobody left to answer.
func pause(r *http.Request, s *Server, d time.Duration, hang bool) bool {
	var after <-chan time.Time
	if !hang {
		if d <= 0 {
			return true
		}
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-after:
		return true
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	return false
}

// answer is the BMC's, without faults of the connection.
func (b *BMC) answer(c *call) reply {
	route, found := b.route(c)
	if !found {
		if refusal := b.authenticate(c); refusal != nil {
			return *refusal
		}
		return notFound(c)
	}
	if !route.open[c.method] {
		if refusal := b.authenticate(c); refusal != nil {
			return *refusal
		}
	}
	if c.method == http.MethodHead {
		c.method = http.MethodGet
	}
	do := route.do[c.method]
	if do == nil {
		return refuse(http.StatusMethodNotAllowed, "OperationNotAllowed", "The HTTP method is not allowed on this resource.")
	}
	if c.method == http.MethodPatch {
		if refusal := b.precondition(c, route); refusal != nil {
			return *refusal
		}
	}
	return do(c)
}

// precondition holds a PATCH against the resource's version (RFC 9110 §13.1.1).
func (b *BMC) precondition(c *call, r route) *reply {
	want := c.header.Get("If-Match")
	if want == "" {
		if !b.who.RequireETag {
			return nil
		}
		rep := refuse(http.StatusPreconditionRequired, "PreconditionRequired", "A precondition header or annotation is required to change this resource.")
		return &rep
	}
	if want == "*" || r.do[http.MethodGet] == nil || want == etag(r.do[http.MethodGet](c)) {
		return nil
	}
	rep := refuse(http.StatusPreconditionFailed, "PreconditionFailed", "The ETag supplied did not match the ETag required to change this resource.")
	return &rep
}

// etag is a version by content.
func etag(r reply) string {
	encoded, err := json.Marshal(r.body)
	if err != nil {
		return ""
	}
	return tagOf(encoded)
}

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// write sends an answer. cut breaks the connection in the middle of it.
func write(w http.ResponseWriter, r *http.Request, rep reply, cut bool) {
	h := w.Header()
	h.Set("OData-Version", "4.0")
	h.Set("Cache-Control", "no-store")
	for k, v := range rep.header {
		h.Set(k, v)
	}
	var body []byte
	switch v := rep.body.(type) {
	case nil:
	case string:
		h.Set("Content-Type", "application/xml")
		body = []byte(v)
	default:
		var err error
		if body, err = json.Marshal(v); err != nil {
			panic(err)
		}
		h.Set("Content-Type", "application/json; charset=utf-8")
		if r.Method == http.MethodGet && rep.status == http.StatusOK {
			h.Set("ETag", tagOf(body))
		}
	}
	if rep.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if cut {
		h.Set("Content-Length", strconv.Itoa(len(body)+1))
		w.WriteHeader(max(rep.status, http.StatusOK))
		_, _ = w.Write(body[:len(body)/2]) // the connection is broken on the next line anyway
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(rep.status)
	if r.Method != http.MethodHead && rep.status != http.StatusNoContent {
		_, _ = w.Write(body) // a client that is gone is no fault of ours
	}
}

// control reads and sets the faults.
func (b *BMC) control(c *call) reply {
	if refusal := b.authenticate(c); refusal != nil {
		return *refusal
	}
	switch c.method {
	case http.MethodGet:
		return reply{status: http.StatusOK, body: b.Faults()}
	case http.MethodPut:
		var f Faults
		if rep := c.into(&f); rep != nil {
			return *rep
		}
		b.SetFaults(f)
		return reply{status: http.StatusOK, body: f}
	}
	return refuse(http.StatusMethodNotAllowed, "OperationNotAllowed", "Only GET and PUT are allowed.")
}

// into reads the body; unknown properties are refused.
func (c *call) into(v any) *reply {
	d := json.NewDecoder(strings.NewReader(string(c.body)))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return nil
	}
	rep := refuse(http.StatusBadRequest, "MalformedJSON", "The request body could not be read: "+err.Error())
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		rep = refuse(http.StatusBadRequest, "PropertyUnknown", "The property "+name+" is not in the list of valid properties for the resource.")
	}
	return &rep
}

// route is what can be done with a path.
type route struct {
	pattern string
	// do has the methods; open those that need no login.
	do   map[string]func(*call) reply
	open map[string]bool
}

// route finds a path's route. The table follows the BMC's personality: a BMC without a part has no route to it.
func (b *BMC) route(c *call) (route, bool) {
	for _, r := range b.routes() {
		part, matched := match(r.pattern, c.path)
		if matched {
			c.part = part
			return r, true
		}
	}
	return route{}, false
}

// match compares a path with a pattern whose last segment may be "*".
func match(pattern, path string) (string, bool) {
	prefix, wild := strings.CutSuffix(pattern, "*")
	if !wild {
		return "", pattern == path
	}
	part, matched := strings.CutPrefix(path, prefix)
	return part, matched && part != "" && !strings.Contains(part, "/")
}

func get(path string, f func(*call) reply) route {
	return route{pattern: path, do: map[string]func(*call) reply{http.MethodGet: f}}
}

func post(path string, f func(*call) reply) route {
	return route{pattern: path, do: map[string]func(*call) reply{http.MethodPost: f}}
}

func (r route) and(method string, f func(*call) reply) route {
	r.do[method] = f
	return r
}

func (r route) without(login ...string) route {
	r.open = map[string]bool{}
	for _, m := range login {
		r.open[m] = true
	}
	return r
}

func (b *BMC) routes() []route {
	b.table.Do(func() {
		b.table.routes = append(b.table.routes, b.serviceRoutes()...)
		b.table.routes = append(b.table.routes, b.systemRoutes()...)
		b.table.routes = append(b.table.routes, b.storageRoutes()...)
		b.table.routes = append(b.table.routes, b.biosRoutes()...)
		b.table.routes = append(b.table.routes, b.updateRoutes()...)
		b.table.routes = append(b.table.routes, b.mediaRoutes()...)
		b.table.routes = append(b.table.routes, b.managerRoutes()...)
		b.table.routes = append(b.table.routes, b.eventRoutes()...)
		b.table.routes = append(b.table.routes, b.accountRoutes()...)
		b.table.routes = append(b.table.routes, b.healthRoutes()...)
	})
	return b.table.routes
}

func (b *BMC) serviceRoutes() []route {
	anyone := []string{http.MethodGet, http.MethodHead}
	r := []route{
		get("/redfish", b.versions).without(anyone...),
		get("/redfish/v1", b.root).without(anyone...),
		get("/redfish/v1/odata", b.odata).without(anyone...),
		get("/redfish/v1/$metadata", b.metadata).without(anyone...),
		get("/redfish/v1/TaskService", b.taskService),
		get(tasksPath, b.listTasks),
		get(tasksPath+"/*", b.readTask),
		get(monitorsPath+"/*", b.readMonitor),
		get("/redfish/v1/Chassis", b.listChassis),
		get("/redfish/v1/Chassis/1", b.chassis),
	}
	if !b.who.NoSessions {
		r = append(r,
			get("/redfish/v1/SessionService", b.sessionService),
			get(sessionsPath, b.listSessions).and(http.MethodPost, createSession).without(http.MethodPost),
			get(sessionsPath+"/*", b.readSession).and(http.MethodDelete, b.deleteSession),
		)
	}
	return r
}

func (b *BMC) systemRoutes() []route {
	p := b.systemPath()
	r := []route{
		get("/redfish/v1/Systems", b.listSystems),
		get(p, b.system).and(http.MethodPatch, b.patchSystem),
		post(p+resetAction, b.reset),
		get(p+"/Processors", b.listProcessors), get(p+"/Processors/*", b.processor),
		get(p+"/Memory", b.listMemory), get(p+"/Memory/1", b.memory),
		get(p+"/EthernetInterfaces", b.listInterfaces), get(p+"/EthernetInterfaces/*", b.ethernet),
	}
	r = append(r, b.authorityRoutes()...)
	if b.who.ResetByActionInfo {
		r = append(r, get(p+"/ResetActionInfo", b.resetActionInfo))
	}
	if b.hasSecureBoot() {
		r = append(r, get(p+"/SecureBoot", b.secureBootDoc).and(http.MethodPatch, b.patchSecureBoot))
	}
	if !b.who.NoConsoleLog {
		log := p + "/LogServices"
		r = append(r, get(log, b.listLogServices), get(log+"/HostLogger", b.hostLogger), get(log+"/HostLogger/Entries", b.listLogEntries), get(log+"/HostLogger/Entries/*", b.logEntry))
	}
	return r
}

func (b *BMC) mediaRoutes() []route {
	p := b.mediaPath()
	r := []route{get(p, b.listDrives)}
	for _, id := range b.drives() {
		drive := get(p+"/"+id, b.readDrive).and(http.MethodPatch, b.patchDrive)
		r = append(r, drive)
	}
	if !b.who.MediaByPatch {
		own := p + "/" + b.who.drive()
		r = append(r, post(own+insertAction, b.insert), post(own+ejectAction, b.eject))
	}
	return r
}

func (b *BMC) managerRoutes() []route {
	r := []route{get("/redfish/v1/Managers", b.listManagers), get(b.managerPath(), b.manager)}
	if b.who.CDByAttributes {
		r = append(r, get(b.attributesPath(), b.attributes).and(http.MethodPatch, b.patchAttributes))
	}
	return r
}
