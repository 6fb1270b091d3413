package redfish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// components implements bmc.Components. A BMC has it where its service root links to an UpdateService; that is read when it is needed, not while probing.
type components struct {
	s *service
	// at is the UpdateService, tasks the TaskService; tasks is empty where there is none.
	at, tasks link
}

// Bounds of what is taken from a BMC.
const (
	maxComponents    = 64
	maxComponentName = 64
	maxVersion       = 100
	nicPrefix        = "nic:"
)

// Read implements bmc.Components: BIOS and BMC have their version in the system and in its manager, and network adapters in their controllers, or else in the inventory of firmware.
func (o *components) Read(ctx context.Context) ([]bmc.Component, error) {
	out, err := o.read(ctx)
	return out, o.s.wrap("read firmware versions", err)
}

func (o *components) read(ctx context.Context) ([]bmc.Component, error) {
	var sys struct {
		computerSystem
		Links object[struct{ Chassis list[link] }]
	}
	if _, err := o.s.c.get(ctx, o.s.system, "ComputerSystem", &sys); err != nil {
		return nil, err
	}
	out := component("bios", sys.BiosVersion)
	if o.s.manager != "" {
		var mgr manager
		if _, err := o.s.c.get(ctx, o.s.manager, "Manager", &mgr); err != nil && !absent(err) {
			return nil, err
		}
		out = append(out, component("bmc", mgr.FirmwareVersion)...)
	}
	nics, err := o.adapters(ctx, sys.Links.V.Chassis)
	if err == nil && len(nics) == 0 {
		nics, err = o.inventoried(ctx)
	}
	if err != nil {
		return nil, err
	}
	out = append(out, nics...)
	slices.SortFunc(out, func(a, b bmc.Component) int { return cmp.Compare(a.Name, b.Name) })
	out = slices.CompactFunc(out, func(a, b bmc.Component) bool { return a.Name == b.Name })
	return out[:min(len(out), maxComponents)], nil
}

// component is one with a sound name and a version, or none.
func component(name string, version text) []bmc.Component {
	v := clip(string(version), maxVersion)
	if v == "" || !soundName(name) || len(name) > maxComponentName || strings.ContainsAny(name, " \t") {
		return nil
	}
	return []bmc.Component{{Name: name, Version: v}}
}

// networkAdapter is NetworkAdapter.
type networkAdapter struct {
	Own         text `json:"Id"`
	Controllers list[struct{ FirmwarePackageVersion text }]
}

// adapters are the network adapters of the system's chassis.
func (o *components) adapters(ctx context.Context, chassis []link) ([]bmc.Component, error) {
	var out []bmc.Component
	for _, at := range chassis[:min(len(chassis), maxChassis)] {
		var view struct{ NetworkAdapters link }
		if _, err := o.s.c.get(ctx, at, "Chassis", &view); err != nil && !absent(err) {
			return nil, err
		}
		if view.NetworkAdapters == "" {
			continue
		}
		all, err := o.s.c.members(ctx, view.NetworkAdapters, "NetworkAdapterCollection")
		if err != nil && !absent(err) {
			return nil, err
		}
		for _, m := range all[:min(len(all), maxComponents)] {
			var a networkAdapter
			switch err := o.s.c.read(ctx, m, "NetworkAdapter", &a); {
			case absent(err):
			case err != nil:
				return nil, err
			case len(a.Controllers) > 0:
				out = append(out, component(nicPrefix+string(a.Own), a.Controllers[0].FirmwarePackageVersion)...)
			}
		}
	}
	return out, nil
}

// maxChassis bounds the chassis of one system that are looked at.
const maxChassis = 8

// updateService is UpdateService.
type updateService struct {
	FirmwareInventory link
	Actions           object[struct {
		Simple object[simpleUpdate] `json:"#UpdateService.SimpleUpdate"`
	}]
	Oem object[map[string]object[oemUpdate]]
}

// simpleUpdate is the action, with what of its parameters is described in place.
type simpleUpdate struct {
	action
	TransferProtocols list[text] `json:"TransferProtocol@Redfish.AllowableValues"`
	ApplyTimes        object[struct {
		Values list[text] `json:"SupportedValues"`
	}] `json:"@Redfish.OperationApplyTimeSupport"`
}

// oemUpdate is what a vendor tells of an update without a task.
type oemUpdate struct {
	State   text
	Percent number `json:"FlashProgressPercent"`
	Result  object[struct{ MessageID text }]
}

// inventoried are the network adapters of the firmware's inventory (SoftwareInventory): those that are related to a network device, or carry its name in theirs.
func (o *components) inventoried(ctx context.Context) ([]bmc.Component, error) {
	var service updateService
	if _, err := o.s.c.get(ctx, o.at, "UpdateService", &service); err != nil || service.FirmwareInventory == "" {
		if absent(err) {
			err = nil
		}
		return nil, err
	}
	all, err := o.s.c.members(ctx, service.FirmwareInventory, "SoftwareInventoryCollection")
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []bmc.Component
	for _, m := range all[:min(len(all), maxComponents)] {
		var item struct {
			Own     text `json:"Id"`
			Version text
			Related list[link] `json:"RelatedItem"`
		}
		switch err := o.s.c.read(ctx, m, "SoftwareInventory", &item); {
		case absent(err):
		case err != nil:
			return nil, err
		case slices.ContainsFunc(item.Related, network):
			out = append(out, component(nicPrefix+string(item.Own), item.Version)...)
		}
	}
	return out, nil
}

// network: the link leads to a network adapter or interface.
func network(l link) bool {
	for _, part := range []string{"/NetworkAdapters/", "/NetworkInterfaces/", "/EthernetInterfaces/"} {
		if strings.Contains(string(l), part) {
			return true
		}
	}
	return false
}

// ofService is the ticket of an update that the BMC tells of in its UpdateService and not by a task.
const ofService = "update-service"

// maxTicket bounds the path of a task.
const maxTicket = 512

// Start implements bmc.Components by UpdateService.SimpleUpdate (DSP8010). Which parameters the BMC wants is read from the action; where it does not say, it is told the least, and more after
// a refusal, which did nothing.
func (o *components) Start(ctx context.Context, name, image string) (string, error) {
	ticket, err := o.start(ctx, name, image)
	return ticket, o.s.wrap("start firmware update", err)
}

func (o *components) start(ctx context.Context, name, image string) (string, error) {
	u, err := url.Parse(image)
	if err != nil || u.Host == "" {
		return "", faultf(step.Invalid, "the image of %s is no URL", clip(name, maxComponentName))
	}
	var service updateService
	if _, err := o.s.c.get(ctx, o.at, "UpdateService", &service); err != nil {
		return "", err
	}
	update := service.Actions.V.Simple.V
	if update.path() == "" {
		return "", faultf(step.Unsupported, "GET %s: the BMC takes no update by URL (no UpdateService.SimpleUpdate)", o.at).withFix("update this firmware by the BMC's own pages, and remove the update")
	}
	protocol := strings.ToUpper(u.Scheme)
	body := map[string]any{"ImageURI": image}
	if listed := update.TransferProtocols; len(listed) > 0 {
		if !slices.Contains(listed, text(protocol)) {
			return "", faultf(step.Unsupported, "POST %s: the BMC fetches images by %s, not by %s", update.path(), clip(join(listed), maxSaid), protocol).withFix("offer the image by one of these protocols")
		}
		body["TransferProtocol"] = protocol
	}
	if slices.Contains(update.ApplyTimes.V.Values, "Immediate") {
		body["@Redfish.OperationApplyTime"] = "Immediate"
	}
	a, err := o.post(ctx, update.path(), body, image)
	if missing := said(err, "ActionParameterMissing", "CreateFailedMissingReqProperties"); missing && body["TransferProtocol"] == nil && malformed(err) {
		body["TransferProtocol"] = protocol
		a, err = o.post(ctx, update.path(), body, image)
	}
	if err != nil {
		return "", refusedImage(err)
	}
	return o.ticket(a), nil
}

func join(list []text) string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = string(t)
	}
	return strings.Join(out, ", ")
}

func (o *components) post(ctx context.Context, path link, body map[string]any, image string) (*answer, error) {
	return o.s.c.do(ctx, request{method: http.MethodPost, path: path, body: body, mask: imageMask(image)})
}

// imageMask is the part of an image's URL that may be a secret: its query, where signed links have their signature.
func imageMask(image string) []string {
	if u, err := url.Parse(image); err == nil && u.RawQuery != "" {
		return []string{image, u.RawQuery}
	}
	return nil
}

func malformed(err error) bool {
	status := statusOf(err)
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
}

// refusedImage: the BMC understood the request and does not like the image.
func refusedImage(err error) error {
	if !malformed(err) || bmc.KindOf(wrap("", "", err)) == step.Busy {
		return err
	}
	f := faultf(step.Invalid, "%w", err).withFix("correct the update's URL: the BMC fetches the image itself, from its own network")
	f.status = statusOf(err)
	return f
}

// ticket is by what the update of this answer is asked for again. A task monitor is gone once it was read at the end; the task itself stays, so that it is preferred.
func (o *components) ticket(a *answer) string {
	if t := taskTicket(a); t != "" {
		return t
	}
	if o.s.effect.UpdateState != "" {
		return ofService
	}
	return ""
}

// taskTicket is the task of an answer, empty where it names none.
func taskTicket(a *answer) string {
	path := link("")
	var t task
	if json.Unmarshal(a.body, &t) == nil && strings.HasPrefix(strings.TrimPrefix(string(t.Type), "#"), "Task.") {
		path = t.ID
	}
	if path == "" && a.status == http.StatusAccepted {
		path = taskOf(a)
	}
	if len(path) > maxTicket {
		return ""
	}
	return string(path)
}

// Progress implements bmc.Components.
func (o *components) Progress(ctx context.Context, ticket string) (bmc.UpdateProgress, error) {
	out, err := o.progress(ctx, ticket)
	return out, o.s.wrap("follow firmware update", err)
}

func (o *components) progress(ctx context.Context, ticket string) (bmc.UpdateProgress, error) {
	if ticket == ofService {
		return o.told(ctx)
	}
	return o.s.taskProgress(ctx, ticket)
}

// taskProgress looks at a task, or its monitor, once.
func (s *service) taskProgress(ctx context.Context, ticket string) (bmc.UpdateProgress, error) {
	unknown := bmc.UpdateProgress{State: bmc.UpdateUnknown}
	path := linkOf(ticket)
	if path == "" {
		return unknown, nil
	}
	a, err := s.c.do(ctx, request{method: http.MethodGet, path: path})
	if status := statusOf(err); status == http.StatusNotFound || status == http.StatusGone {
		return unknown, nil
	}
	if err != nil {
		return unknown, err
	}
	var t task
	if len(a.body) == 0 || json.Unmarshal(a.body, &t) != nil || t.TaskState == "" {
		// A task monitor at its end has the answer of the request itself (DSP0266 §12.2).
		if a.status == http.StatusAccepted {
			return bmc.UpdateProgress{State: bmc.UpdateRuns}, nil
		}
		return bmc.UpdateProgress{State: bmc.UpdateDone, Percent: 100}, nil
	}
	return progressOf(path, t), nil
}

func progressOf(path link, t task) bmc.UpdateProgress {
	out := bmc.UpdateProgress{State: bmc.UpdateRuns, Percent: int(min(t.PercentDone, 100))}
	critical := strings.EqualFold(string(t.TaskStatus), "Critical")
	switch redfish.TaskState(t.TaskState) {
	case redfish.CompletedTaskState:
		out.State, out.Percent = bmc.UpdateDone, 100
		if critical {
			out = failedUpdate(path, t)
		}
	case redfish.ExceptionTaskState, redfish.KilledTaskState, redfish.CancelledTaskState, redfish.InterruptedTaskState:
		out = failedUpdate(path, t)
	case redfish.NewTaskState, redfish.StartingTaskState, redfish.PendingTaskState, redfish.SuspendedTaskState:
		// It may begin by itself in a moment, or with the machine's next start only.
		out.State = bmc.UpdateWaits
	case redfish.RunningTaskState, redfish.StoppingTaskState, redfish.ServiceTaskState, redfish.CancellingTaskState:
	}
	return out
}

func failedUpdate(path link, t task) bmc.UpdateProgress {
	return bmc.UpdateProgress{State: bmc.UpdateFailed, Message: taskFailed(path, t, nil).Error()}
}

// told is what the UpdateService says of the one update that it runs.
func (o *components) told(ctx context.Context) (bmc.UpdateProgress, error) {
	var service updateService
	if _, err := o.s.c.get(ctx, o.at, "UpdateService", &service); err != nil {
		return bmc.UpdateProgress{State: bmc.UpdateUnknown}, err
	}
	oem := service.Oem.V[o.s.effect.UpdateState].V
	out := bmc.UpdateProgress{State: bmc.UpdateRuns, Percent: int(min(oem.Percent, 100))}
	switch strings.ToLower(string(oem.State)) {
	case "complete":
		out.State, out.Percent = bmc.UpdateDone, 100
	case "error":
		out.State, out.Message = bmc.UpdateFailed, "the BMC says that the update failed: "+clip(string(oem.Result.V.MessageID), maxSaid)
	case "", "idle":
		out.State = bmc.UpdateUnknown
	}
	return out, nil
}

// Find implements bmc.Components: a task remembers the request that began it in its Payload (DSP8010, Task 1.6). Without one it is not known what a task is for, and one that
// goes on is taken for the update, so that no second one is begun beside it.
func (o *components) Find(ctx context.Context, image string) (string, error) {
	ticket, err := o.find(ctx, image)
	return ticket, o.s.wrap("find firmware update", err)
}

func (o *components) find(ctx context.Context, image string) (string, error) {
	if o.s.effect.UpdateState != "" {
		now, err := o.told(ctx)
		if err == nil && now.State == bmc.UpdateRuns {
			return ofService, nil
		}
		if err != nil {
			return "", err
		}
	}
	all, err := o.listTasks(ctx)
	if err != nil {
		return "", err
	}
	found := ""
	for i := len(all) - 1; i >= 0 && i >= len(all)-maxComponents; i-- {
		var t struct {
			task
			Payload object[struct{ TargetURI, JSONBody text }]
		}
		err := o.s.c.read(ctx, all[i], "Task", &t)
		if absent(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		p := t.Payload.V
		switch state := progressOf(all[i].path, t.task).State; {
		case len(all[i].path) > maxTicket:
		case strings.Contains(string(p.TargetURI), "SimpleUpdate") && strings.Contains(unescaped(string(p.JSONBody)), image):
			return string(all[i].path), nil
		case p.TargetURI == "" && state == bmc.UpdateRuns && found == "":
			found = string(all[i].path)
		}
	}
	return found, nil
}

// unescaped is JSON's text without the escapes that encoders put before a slash.
func unescaped(s string) string { return strings.ReplaceAll(s, `\/`, `/`) }

func (o *components) listTasks(ctx context.Context) ([]member, error) {
	if o.tasks == "" {
		return nil, nil
	}
	var service struct{ Tasks link }
	if _, err := o.s.c.get(ctx, o.tasks, "TaskService", &service); err != nil {
		if absent(err) {
			err = nil
		}
		return nil, err
	}
	all, err := o.s.c.members(ctx, service.Tasks, "TaskCollection")
	if absent(err) || errors.Is(err, errNoPath) {
		return nil, nil
	}
	return all, err
}
