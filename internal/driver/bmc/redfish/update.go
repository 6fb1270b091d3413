package redfish

import (
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
	path := link("")
	var t task
	if json.Unmarshal(a.body, &t) == nil && strings.HasPrefix(strings.TrimPrefix(string(t.Type), "#"), "Task.") {
		path = t.ID
	}
	if path == "" && a.status == http.StatusAccepted {
		path = taskOf(a)
	}
	switch {
	case path != "" && len(path) <= maxTicket:
		return string(path)
	case o.s.effect.UpdateState != "":
		return ofService
	}
	return ""
}

// Progress implements bmc.Components.
func (o *components) Progress(ctx context.Context, ticket string) (bmc.UpdateProgress, error) {
	out, err := o.progress(ctx, ticket)
	return out, o.s.wrap("follow firmware update", err)
}

func (o *components) progress(ctx context.Context, ticket string) (bmc.UpdateProgress, error) {
	unknown := bmc.UpdateProgress{State: bmc.UpdateUnknown}
	if ticket == ofService {
		return o.told(ctx)
	}
	path := linkOf(ticket)
	if path == "" {
		return unknown, nil
	}
	a, err := o.s.c.do(ctx, request{method: http.MethodGet, path: path})
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
