package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
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

// updateService is UpdateService.
type updateService struct {
	FirmwareInventory link
	// MultipartPush takes a form of parameters and image, Push the image alone.
	MultipartPush link `json:"MultipartHttpPushUri"`
	Push          link `json:"HttpPushUri"`
	PushTimes     object[struct {
		Values list[text] `json:"SupportedValues"`
	}] `json:"MultipartHttpPushUri@Redfish.OperationApplyTimeSupport"`
	MaxImageBytes number `json:"MaxImageSizeBytes"`
	Actions       object[struct {
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

// ofService is the ticket of an update that the BMC tells of in its UpdateService and not by a task.
const ofService = "update-service"

// maxTicket bounds the path of a task.
const maxTicket = 512

// Start implements bmc.Components by UpdateService.SimpleUpdate (DSP8010), or by a push (push.go). Which parameters the BMC wants is read from the action; where it does not say, it is told the least, and more
// after a refusal, which did nothing.
func (o *components) Start(ctx context.Context, name string, image bmc.Image) (string, error) {
	ticket, err := o.start(ctx, name, image)
	return ticket, o.s.wrap("start firmware update", err)
}

func (o *components) start(ctx context.Context, name string, image bmc.Image) (string, error) {
	u, err := url.Parse(image.URL)
	if err != nil || u.Host == "" {
		return "", faultf(step.Invalid, "the image of %s is no URL", clip(name, maxComponentName))
	}
	var service updateService
	if _, err := o.s.c.get(ctx, o.at, "UpdateService", &service); err != nil {
		return "", err
	}
	update, protocol := service.Actions.V.Simple.V, strings.ToUpper(u.Scheme)
	unlisted := len(update.TransferProtocols) > 0 && !slices.Contains(update.TransferProtocols, text(protocol))
	switch pushes := service.MultipartPush != "" || service.Push != ""; {
	case image.Push, pushes && (update.path() == "" || unlisted):
		return o.push(ctx, service, image)
	case update.path() == "":
		return "", faultf(step.Unsupported, "GET %s: the BMC takes no update by URL and none by push (no UpdateService.SimpleUpdate, MultipartHttpPushUri or HttpPushUri)", o.at).
			withFix("update this firmware by the BMC's own pages, and remove the update")
	case unlisted:
		return "", faultf(step.Unsupported, "POST %s: the BMC fetches images by %s, not by %s", update.path(), clip(join(update.TransferProtocols), maxSaid), protocol).withFix("offer the image by one of these protocols")
	}
	return o.simple(ctx, update, image.URL, protocol)
}

func (o *components) simple(ctx context.Context, update simpleUpdate, image, protocol string) (string, error) {
	body := map[string]any{"ImageURI": image}
	if len(update.TransferProtocols) > 0 {
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
	found, pushed := "", o.pushTargets(ctx)
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
		case (state == bmc.UpdateRuns || state == bmc.UpdateWaits) && found == "" && pushed(linkOf(string(p.TargetURI))):
			// It does not say which image it was sent; there is one update at a time.
			found = string(all[i].path)
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

// push sends an image to the BMC: as a form with UpdateParameters and UpdateFile (DSP0266 §12.6.2, MultipartHttpPushUri), or where there is only the older HttpPushUri the image alone. The content is read while it is
// sent, and the length is said beforehand: BMCs' servers commonly refuse bodies in chunks.
func (o *components) push(ctx context.Context, service updateService, image bmc.Image) (string, error) {
	const fix = "put #sha256=DIGEST behind the update's URL: then Ingot fetches the image, holds it against the digest, and pushes it"
	switch most := service.MaxImageBytes; {
	case service.MultipartPush == "" && service.Push == "":
		return "", faultf(step.Unsupported, "GET %s: the BMC takes no image by push (no MultipartHttpPushUri, no HttpPushUri)", o.at).withFix("take &push out of the update's URL: this BMC fetches images itself")
	case image.Content == nil:
		return "", faultf(step.Unsupported, "GET %s: the BMC takes this image by push only, and the image is not at hand", o.at).withFix(fix)
	case most > 0 && image.SizeBytes > int64(most):
		return "", faultf(step.Invalid, "GET %s: the BMC takes images of at most %d bytes, and this one has %d", o.at, int64(most), image.SizeBytes).withFix("correct the update's URL")
	}
	u := upload{path: service.Push, kind: "application/octet-stream", image: image}
	if service.MultipartPush != "" {
		var err error
		if u, err = form(service.MultipartPush, image, slices.Concat(service.PushTimes.V.Values, service.Actions.V.Simple.V.ApplyTimes.V.Values)); err != nil {
			return "", err
		}
	}
	a, err := o.s.c.upload(ctx, u)
	if err != nil {
		return "", refusedPush(err)
	}
	if a.status == http.StatusCreated && taskTicket(a) == "" {
		return "", faultf(step.Unsupported, "%s: the BMC keeps what is pushed for a later order, which only its maker's tools give", a.where).withFix("take &push out of the update's URL, or update this firmware by the BMC's own pages")
	}
	return o.ticket(a), nil
}

// refusedPush: the BMC understood the request and does not like the image.
func refusedPush(err error) error {
	status := statusOf(err)
	if !malformed(err) && status != http.StatusRequestEntityTooLarge && status != http.StatusUnsupportedMediaType || bmc.KindOf(wrap("", "", err)) == step.Busy {
		return err
	}
	f := faultf(step.Invalid, "%w", err).withFix("see whether the image is for this machine")
	f.status = status
	return f
}

// form is the body of a multipart push around its image. No targets are named: which component an image is for stands in the image, as with SimpleUpdate.
func form(to link, image bmc.Image, applyTimes []text) (upload, error) {
	parameters := map[string]any{"Targets": []string{}}
	if slices.Contains(applyTimes, "Immediate") {
		parameters["@Redfish.OperationApplyTime"] = "Immediate"
	}
	encoded, err := json.Marshal(parameters)
	if err != nil {
		return upload{}, err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part := func(disposition, kind string) (io.Writer, error) {
		return w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {kind}})
	}
	p, err := part(`form-data; name="UpdateParameters"`, "application/json")
	if err != nil {
		return upload{}, err
	}
	if _, err := p.Write(encoded); err != nil {
		return upload{}, err
	}
	name := strings.NewReplacer(`"`, "_", "\r", "_", "\n", "_", `\`, "_").Replace(image.Name)
	if name == "" {
		name = "image"
	}
	if _, err := part(`form-data; name="UpdateFile"; filename="`+name+`"`, "application/octet-stream"); err != nil {
		return upload{}, err
	}
	before := b.Len()
	if err := w.Close(); err != nil {
		return upload{}, err
	}
	return upload{path: to, kind: w.FormDataContentType(), before: b.Bytes()[:before:before], after: b.Bytes()[before:], image: image}, nil
}

// pushTargets says which paths images are pushed to; the BMC is asked once, and only where there is a path to compare.
func (o *components) pushTargets(ctx context.Context) func(link) bool {
	var service *updateService
	return func(to link) bool {
		if to == "" {
			return false
		}
		if service == nil {
			service = &updateService{}
			if _, err := o.s.c.get(ctx, o.at, "UpdateService", service); err != nil {
				return false // the task is not known then, as with a BMC that says nothing of it
			}
		}
		return to == service.MultipartPush || to == service.Push
	}
}
