package bmcsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	updatePath     = "/redfish/v1/UpdateService"
	inventoryPath  = updatePath + "/FirmwareInventory"
	simpleUpdate   = updatePath + "/Actions/UpdateService.SimpleUpdate"
	adaptersPath   = "/redfish/v1/Chassis/1/NetworkAdapters"
	networkAdapter = "NIC1"
	// maxFirmwareBytes bounds what is fetched as an image of firmware.
	maxFirmwareBytes = 1 << 20
)

// updateState is the versions of the machine's firmware: in force, and from the next boot on. It is guarded by BMC.mu.
type updateState struct {
	// now has what was updated; what is missing is as it came. next comes with the next boot.
	now, next map[string]string
	// waiting are jobs that begin with the next boot.
	waiting []firmwareJob
	// asked are the images that were asked for, in order; pushed those that were sent.
	asked  []string
	pushed []PushedImage
	// state and percent are shown by a BMC that makes no task.
	state string
	// downUntil is when a BMC that restarts itself answers again.
	downUntil time.Time
}

// firmwareJob is one update.
type firmwareJob struct {
	task  *task
	image firmwareImage
}

// firmwareImage is the content of an image for simulated machines.
type firmwareImage struct {
	// Component is bios, bmc, or nic:NIC1.
	Component string `json:"component"`
	Version   string `json:"version"`
}

// FirmwareImage is an image that brings a version to a component of simulated machines: bios, bmc, or nic:NIC1.
func FirmwareImage(component, version string) ([]byte, error) {
	return json.Marshal(firmwareImage{component, version})
}

// FirmwareVersion is the version of a component that is in force; empty for none of that name.
func (b *BMC) FirmwareVersion(component string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.firmwareVersions()[component]
}

// FirmwareAsked are the URLs of the images that the BMC was asked to write, in order.
func (b *BMC) FirmwareAsked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.updates.asked)
}

// firmwareVersions is called with mu held.
func (b *BMC) firmwareVersions() map[string]string {
	out := map[string]string{"bios": b.machine.Hardware().BIOSVersion, "bmc": b.who.Firmware, "nic:" + networkAdapter: "22.31.6"}
	maps.Copy(out, b.updates.now)
	return out
}

func (b *BMC) version(component string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.firmwareVersions()[component]
}

func (b *BMC) updateRoutes() []route {
	var r []route
	if !b.who.NoNetworkAdapters {
		r = append(r, get(adaptersPath, b.listAdapters), get(adaptersPath+"/*", b.adapter))
	}
	if b.who.NoUpdates {
		return r
	}
	r = append(r, get(updatePath, b.updateService), get(inventoryPath, b.listFirmware), get(inventoryPath+"/*", b.firmwareItem))
	if !b.who.NoSimpleUpdate {
		r = append(r, post(simpleUpdate, b.simpleUpdate))
	}
	if to := b.who.pushTo(); to != "" {
		r = append(r, post(to, b.pushedUpdate))
	}
	return r
}

func (b *BMC) updateService(c *call) reply {
	more := doc{"ServiceEnabled": true, "FirmwareInventory": ref(inventoryPath), "Actions": doc{}, "Status": healthy()}
	if !b.who.NoSimpleUpdate {
		action := doc{"target": simpleUpdate}
		if !b.who.UpdateWantsProtocol {
			action["TransferProtocol@Redfish.AllowableValues"] = []string{"HTTP", "HTTPS", "TFTP"}
		}
		if b.who.UpdateWantsTime {
			action["@Redfish.OperationApplyTimeSupport"] = doc{"@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport", "SupportedValues": []string{"Immediate", "OnReset", "OnStartUpdateRequest"}}
		}
		more["Actions"] = doc{"#UpdateService.SimpleUpdate": action}
	}
	switch b.who.pushTo() {
	case multipartPush:
		more["MultipartHttpPushUri"], more["MaxImageSizeBytes"] = multipartPush, maxPushBytes
		if b.who.UpdateWantsTime {
			more["MultipartHttpPushUri@Redfish.OperationApplyTimeSupport"] = doc{"@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport", "SupportedValues": []string{"Immediate", "OnReset", "OnStartUpdateRequest"}}
		}
	case octetPush:
		more["HttpPushUri"], more["HttpPushUriTargetsBusy"], more["HttpPushUriTargets"] = octetPush, false, []string{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.who.UpdateByState {
		state := b.updates.state
		if state == "" {
			state = "Idle"
		}
		more["Oem"] = doc{"Hpe": doc{"State": state, "FlashProgressPercent": 0, "Result": doc{"MessageId": "iLO.2.14.UpdateFailed"}}}
	}
	return ok(resource(c.path, "#UpdateService.v1_14_0.UpdateService", "UpdateService", "Update Service", more))
}

// inventoryIDs are the components by the Ids of their inventory.
func inventoryIDs() map[string]string {
	return map[string]string{"BIOS": "bios", "BMC": "bmc", networkAdapter: "nic:" + networkAdapter}
}

func (b *BMC) listFirmware(c *call) reply {
	return ok(collection(c.path, "SoftwareInventoryCollection", "Firmware Inventory", slices.Collect(maps.Keys(inventoryIDs()))))
}

func (b *BMC) firmwareItem(c *call) reply {
	component, found := inventoryIDs()[c.part]
	if !found {
		return notFound(c)
	}
	related := map[string]string{"bios": b.systemPath(), "bmc": b.managerPath(), "nic:" + networkAdapter: adaptersPath + "/" + networkAdapter}[component]
	if b.who.NoNetworkAdapters && component == "nic:"+networkAdapter {
		related = b.systemPath() + "/EthernetInterfaces/1"
	}
	return ok(resource(c.path, "#SoftwareInventory.v1_10_2.SoftwareInventory", c.part, c.part, doc{
		"Version": b.version(component), "Updateable": true, "RelatedItem": []doc{ref(related)}, "Status": healthy(),
	}))
}

func (b *BMC) listAdapters(c *call) reply {
	return ok(collection(c.path, "NetworkAdapterCollection", "Network Adapters", []string{networkAdapter}))
}

func (b *BMC) adapter(c *call) reply {
	if c.part != networkAdapter {
		return notFound(c)
	}
	return ok(resource(c.path, "#NetworkAdapter.v1_11_0.NetworkAdapter", c.part, "Network Adapter", doc{
		"Controllers": []doc{{"FirmwarePackageVersion": b.version("nic:" + networkAdapter)}}, "Status": healthy(),
	}))
}

// simpleUpdate takes the order, fetches the image and writes it beside the request.
func (b *BMC) simpleUpdate(c *call) reply {
	var ask struct {
		ImageURI, TransferProtocol string
		Targets                    []string
		When                       string `json:"@Redfish.OperationApplyTime"`
	}
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	u, err := url.Parse(ask.ImageURI)
	switch {
	case ask.ImageURI == "":
		return refuse(http.StatusBadRequest, "ActionParameterMissing", "The action UpdateService.SimpleUpdate requires the parameter ImageURI.")
	case err != nil || u.Host == "":
		return refuse(http.StatusBadRequest, "ActionParameterValueFormatError", "The value '"+ask.ImageURI+"' for the parameter ImageURI is of a different format than the parameter can accept.")
	case b.who.UpdateWantsProtocol && ask.TransferProtocol == "":
		return refuse(http.StatusBadRequest, "ActionParameterMissing", "The action UpdateService.SimpleUpdate requires the parameter TransferProtocol.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.updates.asked = append(b.updates.asked, ask.ImageURI)
	if b.who.UpdateWantsTime && ask.When != "Immediate" {
		// It waits for a StartUpdate that nobody sends.
		return noContent()
	}
	return b.beginUpdate(c, func() (firmwareImage, error) { return b.server.fetch.firmware(b, ask.ImageURI) })
}

// beginUpdate writes an image beside the request. It is called with mu held.
func (b *BMC) beginUpdate(c *call, image func() (firmwareImage, error)) reply {
	t := b.newTask("Firmware update")
	if !b.who.TaskWithoutPayload {
		t.payload = doc{"TargetUri": c.path, "HttpOperation": "POST", "JsonBody": string(c.body)}
	}
	b.updates.state = "Updating"
	b.server.work.Go(func() { b.runUpdate(t, image) })
	if b.who.UpdateByState {
		b.tasks = slices.DeleteFunc(b.tasks, func(o *task) bool { return o == t })
		return ok(doc{"error": doc{"code": "iLO.0.10.ExtendedInfo", "message": "See @Message.ExtendedInfo for more information.", "@Message.ExtendedInfo": []doc{{"MessageId": "Base.1.18.Success"}}}})
	}
	return reply{status: http.StatusAccepted, body: b.taskDoc(t), header: map[string]string{"Location": tasksPath + "/" + t.id}}
}

// runUpdate is the update's own work.
func (b *BMC) runUpdate(t *task, image func() (firmwareImage, error)) {
	fw, err := image()
	b.mu.Lock()
	faults := b.faults.set
	b.mu.Unlock()
	if faults.UpdateMilliseconds > 0 && !pauseFor(b.server, time.Duration(faults.UpdateMilliseconds)*time.Millisecond) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.firmwareVersions()[fw.Component]; err == nil && !known {
		err = fmt.Errorf("the image is for the component %q, which this machine does not have", fw.Component)
	}
	if err == nil && faults.UpdateFailure {
		err = errors.New("the image could not be verified (simulated fault)")
	}
	job := firmwareJob{t, fw}
	switch {
	case err != nil:
		t.state, t.message, t.end = "Exception", "Unable to update: "+err.Error(), time.Now()
		b.updates.state = "Error"
	case b.who.UpdateOnReset && fw.Component != "bmc":
		t.state = "Pending"
		b.updates.waiting = append(b.updates.waiting, job)
	default:
		b.written(job)
	}
}

func pauseFor(s *Server, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// written ends an update. A BMC restarts itself for its own firmware: it forgets sessions, and tasks unless it keeps a queue of jobs. It is called with mu held.
func (b *BMC) written(j firmwareJob) {
	j.task.state, j.task.message, j.task.end = "Completed", "The update was written.", time.Now()
	b.updates.state = "Complete"
	if b.faults.set.IgnoreUpdates {
		return
	}
	if j.image.Component != "bmc" {
		if b.updates.next == nil {
			b.updates.next = map[string]string{}
		}
		b.updates.next[j.image.Component] = j.image.Version
		return
	}
	b.putVersion(j.image.Component, j.image.Version)
	clear(b.sessions)
	b.updates.state = ""
	if !b.who.BIOSByJob {
		b.tasks = nil
	}
	b.updates.downUntil = time.Now().Add(time.Duration(b.faults.set.BMCRestartMilliseconds) * time.Millisecond)
}

func (b *BMC) putVersion(component, version string) {
	now := maps.Clone(b.updates.now)
	if now == nil {
		now = map[string]string{}
	}
	now[component] = version
	b.updates.now = now
}

// bootUpdates brings in what waited for the boot. It is called with mu held.
func (b *BMC) bootUpdates() {
	waiting := b.updates.waiting
	b.updates.waiting = nil
	for _, j := range waiting {
		b.written(j)
	}
	for component, version := range b.updates.next {
		b.putVersion(component, version)
	}
	b.updates.next = nil
}

// restarting: the BMC restarts itself and answers nobody.
func (b *BMC) restarting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.updates.downUntil)
}

// firmware fetches an image of firmware.
func (f *fetcher) firmware(b *BMC, image string) (firmwareImage, error) {
	r := &remote{ctx: b.server.ctx, client: f.trusting, url: image}
	resp, err := r.get(0, -1)
	if err != nil {
		return firmwareImage{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return firmwareImage{}, fmt.Errorf("read the image: the server answers %s", resp.Status)
	}
	var fw firmwareImage
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxFirmwareBytes)).Decode(&fw); err != nil || strings.TrimSpace(fw.Version) == "" {
		return firmwareImage{}, errors.New("the image is no firmware of this machine")
	}
	return fw, nil
}
