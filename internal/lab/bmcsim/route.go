package bmcsim

import (
	"net/http"
	"strings"
)

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
