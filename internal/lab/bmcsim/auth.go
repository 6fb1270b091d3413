package bmcsim

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ingotmetal/ingot/internal/secret"
)

// login is a session.
type login struct {
	id    string
	token string
	user  string
	used  time.Time
}

// Sessions are few, as on real BMCs, and end when unused.
const (
	maxSessions    = 16
	sessionTimeout = 30 * time.Minute
)

// authenticate lets a request in by its session or by basic authentication; else it is the refusal.
func (b *BMC) authenticate(c *call) *reply {
	refused := refuse(http.StatusUnauthorized, "NoValidSession", "There is no valid session established with the implementation.")
	refused.header = map[string]string{"WWW-Authenticate": `Basic realm="Redfish"`}
	if token := c.header.Get("X-Auth-Token"); token != "" {
		s := b.sessionOf(token)
		if b.who.NoSessions || s == nil {
			return &refused
		}
		c.user = s.user
		return nil
	}
	user, password, given := (&http.Request{Header: c.header}).BasicAuth()
	if !given || !b.credentials(user, password) {
		return &refused
	}
	c.user = user
	return nil
}

func (b *BMC) sessionOf(token string) *login {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[token]
	if s == nil || time.Since(s.used) > sessionTimeout {
		delete(b.sessions, token)
		return nil
	}
	s.used = time.Now()
	return s
}

// createSession is the one request that carries a password in its body.
func createSession(c *call) reply {
	var ask struct{ UserName, Password string }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if !c.b.credentials(ask.UserName, ask.Password) {
		return refuse(http.StatusUnauthorized, "ResourceAtUriUnauthorized", "While accessing the resource at /redfish/v1/SessionService/Sessions, the service received an authorization error.")
	}
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for token, s := range c.b.sessions {
		if time.Since(s.used) > sessionTimeout {
			delete(c.b.sessions, token)
		}
	}
	if len(c.b.sessions) >= maxSessions {
		return refuse(http.StatusServiceUnavailable, "SessionLimitExceeded", "The session establishment failed due to the number of simultaneous sessions exceeding the limit of the implementation.")
	}
	c.b.nextID++
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // never fails (crypto/rand, since Go 1.24)
	s := &login{id: strconv.Itoa(c.b.nextID), token: base64.RawURLEncoding.EncodeToString(raw), user: ask.UserName, used: time.Now()}
	c.b.sessions[s.token] = s
	return reply{
		status: http.StatusCreated, body: c.b.sessionDoc(s),
		header: map[string]string{"X-Auth-Token": s.token, "Location": sessionsPath + "/" + s.id},
	}
}

const sessionsPath = "/redfish/v1/SessionService/Sessions"

func (b *BMC) sessionDoc(s *login) doc {
	return resource(sessionsPath+"/"+s.id, "#Session.v1_7_0.Session", s.id, "User Session", doc{"UserName": s.user})
}

func (b *BMC) sessionService(*call) reply {
	return ok(resource("/redfish/v1/SessionService", "#SessionService.v1_1_9.SessionService", "SessionService", "Session Service", doc{
		"ServiceEnabled": true, "SessionTimeout": int(sessionTimeout.Seconds()), "Sessions": ref(sessionsPath), "Status": healthy(),
	}))
}

func (b *BMC) listSessions(*call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, s := range b.sessions {
		ids = append(ids, s.id)
	}
	return ok(collection(sessionsPath, "SessionCollection", "Session Collection", ids))
}

func (b *BMC) byID(id string) *login {
	for _, s := range b.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (b *BMC) readSession(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID(c.part)
	if s == nil {
		return notFound(c)
	}
	return ok(b.sessionDoc(s))
}

func (b *BMC) deleteSession(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byID(c.part)
	if s == nil {
		return notFound(c)
	}
	delete(b.sessions, s.token)
	return noContent()
}

// SessionCount is how many logins there are now, for tests of who logs out.
func (b *BMC) SessionCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}

const (
	accountPath  = "/redfish/v1/AccountService"
	accountsPath = accountPath + "/Accounts"
	rolesPath    = accountPath + "/Roles"
	// mostAccounts is how many there may be where they are made by POST.
	mostAccounts  = 12
	administrator = "Administrator"
)

// entry of the table of accounts. An empty name is a free place.
type accountEntry struct {
	id, name, role  string
	password        secret.String
	enabled, locked bool
	// failed counts failed logins since the last right one.
	failed int
}

// accountTable is the BMC's accounts. It is guarded by BMC.mu.
type accountTable struct {
	all     []*accountEntry
	next    int
	refused int
	// threshold is after how many failed logins in a row an account is locked; 0: never.
	threshold int
}

func newAccountTable(p Personality, c Config) accountTable {
	t := accountTable{next: 1, threshold: c.LockAfter}
	first := &accountEntry{name: c.Username, password: c.Password, role: administrator, enabled: true}
	if p.AccountSlots == 0 {
		t.add(first)
		return t
	}
	for n := range p.AccountSlots {
		e := &accountEntry{role: "None"}
		// Dell's first account has place 2, the first that is not the anonymous one's.
		if n == 1 {
			e = first
		}
		t.add(e)
	}
	return t
}

func (t *accountTable) add(e *accountEntry) {
	e.id = strconv.Itoa(t.next)
	t.next++
	t.all = append(t.all, e)
}

func (t *accountTable) named(name string) *accountEntry {
	for _, e := range t.all {
		if e.name == name && name != "" {
			return e
		}
	}
	return nil
}

func (t *accountTable) byID(id string) *accountEntry {
	for _, e := range t.all {
		if e.id == id {
			return e
		}
	}
	return nil
}

// credentials says whether a login is right. A locked account's is not, whatever the password.
func (b *BMC) credentials(user, password string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &b.accounts
	e := t.named(user)
	if e != nil && !e.locked && e.enabled && e.password.Equal(secret.New(password)) {
		e.failed = 0
		return true
	}
	t.refused++
	if e != nil {
		e.failed++
		e.locked = e.locked || t.threshold > 0 && e.failed >= t.threshold
	}
	return false
}

// FailedLogins counts the logins that were refused, for tests of who tries how often.
func (b *BMC) FailedLogins() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accounts.refused
}

// Accounts are the names of the accounts that can log in.
func (b *BMC) Accounts() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, e := range b.accounts.all {
		if e.name != "" && e.enabled {
			names = append(names, e.name)
		}
	}
	return names
}

func (b *BMC) accountRoutes() []route {
	if b.who.NoAccounts {
		return nil
	}
	all := get(accountsPath, b.listAccounts)
	one := get(accountsPath+"/*", b.readAccount).and(http.MethodPatch, b.patchAccount)
	if b.who.AccountSlots == 0 {
		all, one = all.and(http.MethodPost, b.addAccount), one.and(http.MethodDelete, b.deleteAccount)
	}
	return []route{get(accountPath, b.accountService), all, one, get(rolesPath, b.listRoles), get(rolesPath+"/*", b.role)}
}

// lengths are the bounds of passwords.
func (p Personality) lengths() (least, most int) {
	least, most = 8, 20
	if p.MinPasswordLength > 0 {
		least = p.MinPasswordLength
	}
	if p.MaxPasswordLength > 0 {
		most = p.MaxPasswordLength
	}
	return least, most
}

func (b *BMC) accountService(*call) reply {
	least, most := b.who.lengths()
	b.mu.Lock()
	threshold := b.accounts.threshold
	b.mu.Unlock()
	return ok(resource(accountPath, "#AccountService.v1_15_1.AccountService", "AccountService", "Account Service", doc{
		"ServiceEnabled": true, "MinPasswordLength": least, "MaxPasswordLength": most, "AccountLockoutThreshold": threshold, "AccountLockoutDuration": 0,
		"Accounts": ref(accountsPath), "Roles": ref(rolesPath), "Status": healthy(),
	}))
}

func (b *BMC) listAccounts(*call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, e := range b.accounts.all {
		ids = append(ids, e.id)
	}
	return ok(collection(accountsPath, "ManagerAccountCollection", "Accounts Collection", ids))
}

// accountDoc is called with mu held.
func (b *BMC) accountDoc(e *accountEntry) doc {
	d := doc{"UserName": e.name, "Password": nil, "RoleId": e.role, "Locked": e.locked, "AccountTypes": []string{"Redfish"}}
	if _, known := roles()[e.role]; known {
		d["Links"] = doc{"Role": ref(rolesPath + "/" + e.role)}
	}
	if !b.who.AccountAlwaysEnabled {
		d["Enabled"] = e.enabled
	}
	return resource(accountsPath+"/"+e.id, "#ManagerAccount.v1_12_1.ManagerAccount", e.id, "User Account", d)
}

func (b *BMC) readAccount(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.accounts.byID(c.part)
	if e == nil {
		return notFound(c)
	}
	return ok(b.accountDoc(e))
}

// accountBody is what can be written of an account.
type accountBody struct {
	UserName, Password *string
	RoleID             *string `json:"RoleId"`
	Enabled, Locked    *bool
}

func (b *BMC) addAccount(c *call) reply {
	var ask accountBody
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case ask.UserName == nil || *ask.UserName == "" || ask.Password == nil || ask.RoleID == nil:
		return refuse(http.StatusBadRequest, "CreateFailedMissingReqProperties", "The create operation failed because the required property UserName, Password or RoleId was missing from the request.")
	case b.accounts.named(*ask.UserName) != nil:
		return refuse(http.StatusBadRequest, "ResourceAlreadyExists", "The requested resource of type ManagerAccount with the property UserName already exists.")
	case len(b.accounts.all) >= mostAccounts:
		return refuse(http.StatusServiceUnavailable, "CreateLimitReachedForResource", "The create operation failed because the resource has reached the limit of possible resources.")
	}
	e := &accountEntry{enabled: true}
	if rep := b.change(c, e, ask); rep != nil {
		return *rep
	}
	b.accounts.add(e)
	return reply{status: http.StatusCreated, body: b.accountDoc(e), header: map[string]string{"Location": accountsPath + "/" + e.id}}
}

func (b *BMC) patchAccount(c *call) reply {
	var ask accountBody
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.accounts.byID(c.part)
	if e == nil {
		return notFound(c)
	}
	if rep := b.change(c, e, ask); rep != nil {
		return *rep
	}
	return ok(b.accountDoc(e))
}

// change takes all of a body or nothing. A login under an account ends with its password, but for the one that changed it. It is called with mu held.
func (b *BMC) change(c *call, e *accountEntry, ask accountBody) *reply {
	if rep := b.refuseChange(c, e, ask); rep != nil {
		return rep
	}
	if ask.UserName != nil {
		e.name = *ask.UserName
		if e.name == "" {
			e.password, e.role = secret.String{}, "None"
		}
	}
	if ask.Password != nil {
		e.password, e.failed = secret.New(*ask.Password), 0
	}
	if ask.RoleID != nil {
		e.role = *ask.RoleID
	}
	if ask.Enabled != nil {
		e.enabled = *ask.Enabled
	}
	if ask.Locked != nil {
		e.locked, e.failed = *ask.Locked, 0
	}
	for token, s := range b.sessions {
		if s.user == e.name && (ask.Password != nil && token != c.header.Get("X-Auth-Token") || !e.enabled) {
			delete(b.sessions, token)
		}
	}
	return nil
}

func (b *BMC) refuseChange(c *call, e *accountEntry, ask accountBody) *reply {
	no := func(id, message string) *reply {
		rep := refuse(http.StatusBadRequest, id, message)
		return &rep
	}
	switch {
	case b.who.ReservedSlot != "" && e.id == b.who.ReservedSlot:
		return no("PropertyNotWritable", "The account is reserved.")
	case ask.Enabled != nil && b.who.AccountAlwaysEnabled:
		return no("PropertyUnknown", "The property Enabled is not in the list of valid properties for the resource.")
	case ask.Enabled != nil && *ask.Enabled && e.name == "" && (ask.UserName == nil || *ask.UserName == ""):
		return no("PropertyValueConflict", "An account without a name cannot be enabled.")
	case ask.UserName != nil && *ask.UserName == "" && e.enabled:
		return no("PropertyValueConflict", "An account that is enabled must have a name.")
	case ask.UserName != nil && len(*ask.UserName) > 16:
		return no("StringValueTooLong", "The string for UserName exceeds the length limit 16.")
	case c.user == e.name && b.who.NoSelfChanges && (ask.RoleID != nil || ask.Enabled != nil || ask.Locked != nil):
		rep := refuse(http.StatusForbidden, "InsufficientPrivilege", "An account cannot change its own role or state.")
		return &rep
	case ask.RoleID != nil && *ask.RoleID != administrator && *ask.RoleID != "Operator" && *ask.RoleID != "ReadOnly" && *ask.RoleID != "None":
		return no("PropertyValueNotInList", "The value for the property RoleId is not in the list of acceptable values.")
	case ask.Password != nil && !b.who.takes(*ask.Password):
		return no("PropertyValueFormatError", "The value for the property Password is of a different format than the property can accept.")
	}
	return nil
}

// takes says whether a password is one by the BMC's rules.
func (p Personality) takes(password string) bool {
	least, most := p.lengths()
	classes := 0
	for _, of := range []func(rune) bool{unicode.IsUpper, unicode.IsLower, unicode.IsDigit, unicode.IsPunct} {
		if strings.ContainsFunc(password, of) {
			classes++
		}
	}
	return len(password) >= least && len(password) <= most && classes >= p.PasswordClasses
}

func (b *BMC) deleteAccount(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, e := range b.accounts.all {
		if e.id != c.part {
			continue
		}
		b.accounts.all = append(b.accounts.all[:i:i], b.accounts.all[i+1:]...)
		for token, s := range b.sessions {
			if s.user == e.name {
				delete(b.sessions, token)
			}
		}
		return noContent()
	}
	return notFound(c)
}

// roles are the standard ones (DSP0266 §13.2.8).
func roles() map[string][]string {
	return map[string][]string{
		administrator: {"Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"},
		"Operator":    {"Login", "ConfigureSelf", "ConfigureComponents"},
		"ReadOnly":    {"Login", "ConfigureSelf"},
	}
}

func (b *BMC) listRoles(*call) reply {
	var ids []string
	for id := range roles() {
		ids = append(ids, id)
	}
	return ok(collection(rolesPath, "RoleCollection", "Roles Collection", ids))
}

func (b *BMC) role(c *call) reply {
	privileges, known := roles()[c.part]
	if !known {
		return notFound(c)
	}
	return ok(resource(c.path, "#Role.v1_3_2.Role", c.part, c.part+" Role", doc{"RoleId": c.part, "IsPredefined": true, "AssignedPrivileges": privileges}))
}
