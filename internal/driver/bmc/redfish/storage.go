package redfish

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// storage implements bmc.Storage by Storage, StorageController, Drive and Volume (DSP8010). A BMC has it where its system links to Storage; what is there is read when it is needed, not while probing.
type storage struct {
	s *service
	// at is the system's collection of Storage.
	at link
}

// Bounds of what is taken from a BMC.
const (
	maxStorages    = 16
	maxVolumes     = 64
	maxStorageName = 128
)

// storageUnit is Storage: a controller, or a pair of them, with drives and volumes.
type storageUnit struct {
	Own         text `json:"Id"`
	Name        text
	Drives      list[link]
	Volumes     link
	Controllers link
	// Inline is the older place of the controllers.
	Inline list[storageController] `json:"StorageControllers"`

	at link
}

// storageController is StorageController, and the older Storage.StorageControllers. RAIDTypes is nil where it does not say.
type storageController struct {
	Own       text `json:"Id"`
	MemberID  text `json:"MemberId"`
	Name      text
	Model     text
	RAIDTypes *list[text] `json:"SupportedRAIDTypes"`
}

// storageDrive is Drive.
type storageDrive struct {
	ID                              link `json:"@odata.id"`
	Own                             text `json:"Id"`
	Name, SerialNumber              text
	MediaType, Protocol             text
	CapacityBytes, RotationSpeedRPM number
	HotspareType                    text
	FailurePredicted                flag
	Status                          object[struct{ State, Health text }]
}

// volume is Volume.
type volume struct {
	ID            link `json:"@odata.id"`
	Own           text `json:"Id"`
	Name          text
	DisplayName   text
	RAIDType      text
	VolumeType    text
	CapacityBytes number
	Identifiers   list[struct {
		Name   text `json:"DurableName"`
		Format text `json:"DurableNameFormat"`
	}]
	Links object[struct{ Drives list[link] }]
}

// Read implements bmc.Storage.
func (o *storage) Read(ctx context.Context) (raid.Storage, error) {
	out, err := o.read(ctx)
	return out, o.s.wrap("read RAID controllers", err)
}

func (o *storage) read(ctx context.Context) (raid.Storage, error) {
	var out raid.Storage
	all, err := o.s.c.members(ctx, o.at, "StorageCollection")
	if err != nil {
		return out, unlessAbsent(err)
	}
	for _, m := range all[:min(len(all), maxStorages)] {
		u, err := o.unit(ctx, m)
		if absent(err) || err == nil && u.Volumes == "" {
			continue
		}
		if err != nil {
			return raid.Storage{}, err
		}
		c, can, err := o.controller(ctx, u)
		if err != nil {
			return raid.Storage{}, err
		}
		if can {
			out.Controllers = append(out.Controllers, c)
		}
	}
	slices.SortFunc(out.Controllers, func(a, b raid.Controller) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (o *storage) unit(ctx context.Context, m member) (storageUnit, error) {
	var u storageUnit
	err := o.s.c.read(ctx, m, "Storage", &u)
	u.at = m.path
	if u.Own == "" {
		u.Own = text(lastPart(m.path))
	}
	return u, err
}

// controller reads one with all that is on it. can: it can have volumes, or does not say that it cannot.
func (o *storage) controller(ctx context.Context, u storageUnit) (out raid.Controller, can bool, err error) {
	out = raid.Controller{ID: named(u.Own), Names: []string{named(u.Name)}}
	controllers, err := o.controllers(ctx, u)
	if err != nil {
		return out, false, err
	}
	silent := true
	for _, c := range controllers {
		out.Names = append(out.Names, named(c.Own), named(c.MemberID), named(c.Name), named(c.Model))
		if c.RAIDTypes == nil {
			continue
		}
		silent = false
		for _, t := range *c.RAIDTypes {
			if l := levelOf(t); l != "" && !slices.Contains(out.Levels, l) {
				out.Levels = append(out.Levels, l)
			}
		}
	}
	out.Names = slices.DeleteFunc(out.Names, func(n string) bool { return n == "" })
	if !silent && len(out.Levels) == 0 {
		return out, false, nil
	}
	ids, err := o.drives(ctx, u, &out)
	if err != nil {
		return out, false, err
	}
	return out, true, o.volumes(ctx, u, ids, &out)
}

func (o *storage) controllers(ctx context.Context, u storageUnit) ([]storageController, error) {
	if len(u.Inline) > 0 || u.Controllers == "" {
		return u.Inline, nil
	}
	all, err := o.s.c.members(ctx, u.Controllers, "StorageControllerCollection")
	if err != nil {
		return nil, unlessAbsent(err)
	}
	var out []storageController
	for _, m := range all[:min(len(all), maxStorages)] {
		var c storageController
		if err := o.s.c.read(ctx, m, "StorageController", &c); unlessAbsent(err) != nil {
			return nil, err
		} else if err == nil {
			out = append(out, c)
		}
	}
	return out, nil
}

// drives reads the drives, and gives their IDs by their paths.
func (o *storage) drives(ctx context.Context, u storageUnit, out *raid.Controller) (map[link]string, error) {
	ids := map[link]string{}
	for _, path := range u.Drives[:min(len(u.Drives), maxParts)] {
		if path == "" {
			continue
		}
		var d storageDrive
		if _, err := o.s.c.get(ctx, path, "Drive", &d); err != nil {
			if absent(err) {
				continue
			}
			return nil, err
		}
		id := named(d.Own)
		if id == "" || slices.ContainsFunc(out.Drives, func(o raid.Drive) bool { return o.ID == id }) {
			id = named(text(path))
		}
		ids[path] = id
		out.Drives = append(out.Drives, raid.Drive{
			ID: id, Name: named(d.Name), SerialNumber: plate(d.SerialNumber), SizeBytes: int64(d.CapacityBytes), Protocol: plate(d.Protocol), Unusable: unusable(d),
			Rotational: redfish.MediaType(d.MediaType) == redfish.HDDMediaType || d.RotationSpeedRPM > 0,
		})
	}
	return ids, nil
}

// unusable says why no volume is made of a drive.
func unusable(d storageDrive) string {
	s := d.Status.V
	switch state := strings.ToLower(string(s.State)); {
	case d.HotspareType != "" && !strings.EqualFold(string(d.HotspareType), "None"), state == "standbyspare":
		return "it is a hot spare"
	case strings.EqualFold(string(s.Health), "Critical"):
		return "it failed: its health is Critical"
	case bool(d.FailurePredicted):
		return "its failure is predicted"
	case slices.Contains([]string{"absent", "disabled", "unavailableoffline", "deferring"}, state):
		return "its state is " + clip(string(s.State), 40)
	}
	return ""
}

func (o *storage) volumes(ctx context.Context, u storageUnit, ids map[link]string, out *raid.Controller) error {
	all, err := o.s.c.members(ctx, u.Volumes, "VolumeCollection")
	if err != nil {
		return unlessAbsent(err)
	}
	for _, m := range all[:min(len(all), maxVolumes)] {
		var v volume
		switch err := o.s.c.read(ctx, m, "Volume", &v); {
		case absent(err):
			continue
		case err != nil:
			return err
		}
		level := levelOfVolume(v)
		if level == "" {
			continue // a disk that is passed through
		}
		made := raid.Made{ID: volumeID(v, m.path), Name: named(cmp.Or(v.DisplayName, v.Name)), Level: level, SizeBytes: int64(v.CapacityBytes)}
		for _, d := range v.Links.V.Drives {
			if id := ids[d]; id != "" && !slices.Contains(made.Drives, id) {
				made.Drives = append(made.Drives, id)
			}
		}
		for _, i := range v.Identifiers {
			if made.WWN == "" && (i.Format == "" || strings.EqualFold(string(i.Format), "NAA")) {
				made.WWN = raid.CleanWWN(string(i.Name))
			}
		}
		out.Volumes = append(out.Volumes, made)
	}
	return nil
}

func volumeID(v volume, path link) string { return named(cmp.Or(v.Own, text(lastPart(path)))) }

func named(t text) string { return clip(string(t), maxStorageName) }

// raidTypes are Redfish's words (Volume.RAIDType) for Metal3's levels.
func raidTypes() map[string]string {
	return map[string]string{
		raid.Striped: "RAID0", raid.Mirrored: "RAID1", raid.Parity: "RAID5", raid.DoubleParity: "RAID6", raid.MirroredStripes: "RAID10", raid.ParityStripes: "RAID50", raid.DoubleParityStripes: "RAID60",
	}
}

// volumeTypes are the older words (Volume.VolumeType, deprecated in Volume 1.4) by which the levels cannot all be told apart.
func volumeTypes() map[string]string {
	return map[string]string{
		raid.Striped: "NonRedundant", raid.Mirrored: "Mirrored", raid.Parity: "StripedWithParity", raid.DoubleParity: "StripedWithParity",
		raid.MirroredStripes: "SpannedMirrors", raid.ParityStripes: "SpannedStripesWithParity", raid.DoubleParityStripes: "SpannedStripesWithParity",
	}
}

func levelOf(t text) string {
	for level, word := range raidTypes() {
		if strings.EqualFold(string(t), word) {
			return level
		}
	}
	return ""
}

// levelOfVolume is a volume's level; of one that Metal3 has no word for Redfish's; empty for what is no RAID volume.
func levelOfVolume(v volume) string {
	switch {
	case strings.EqualFold(string(v.VolumeType), "RawDevice"), strings.EqualFold(string(v.RAIDType), "None"):
		return ""
	case v.RAIDType != "":
		return cmp.Or(levelOf(v.RAIDType), clip(string(v.RAIDType), 40))
	}
	// The first of the levels that the word may mean.
	for _, level := range []string{raid.Striped, raid.Mirrored, raid.Parity, raid.MirroredStripes, raid.ParityStripes} {
		if strings.EqualFold(volumeTypes()[level], string(v.VolumeType)) {
			return level
		}
	}
	return ""
}

// find reads the controller of this ID, and when its BMC lets volumes be changed: what it lists of OperationApplyTime (DSP8010, Settings.OperationApplyTimeSupport).
func (o *storage) find(ctx context.Context, controller string) (u storageUnit, times []text, err error) {
	all, err := o.s.c.members(ctx, o.at, "StorageCollection")
	if err != nil {
		return u, nil, err
	}
	for _, m := range all[:min(len(all), maxStorages)] {
		u, err = o.unit(ctx, m)
		if err != nil && !absent(err) {
			return u, nil, err
		}
		if err != nil || named(u.Own) != controller || u.Volumes == "" {
			continue
		}
		var c struct {
			Times object[struct {
				Values list[text] `json:"SupportedValues"`
			}] `json:"@Redfish.OperationApplyTimeSupport"`
		}
		_, err = o.s.c.get(ctx, u.Volumes, "VolumeCollection", &c)
		return u, c.Times.V.Values, err
	}
	return u, nil, faultf(step.Invalid, "GET %s: the BMC shows no controller %s that can have volumes", o.at, clip(controller, maxStorageName))
}

// applyTime is the best of the listed times that a caller can bring about, empty where nothing is listed.
func applyTime(listed []text) string {
	for _, best := range []string{"Immediate", "OnReset"} {
		if slices.Contains(listed, text(best)) {
			return best
		}
	}
	return ""
}

// Delete implements bmc.Storage.
func (o *storage) Delete(ctx context.Context, controller, id string) (bmc.VolumeOrder, error) {
	out, err := o.delete(ctx, controller, id)
	return out, o.s.wrap("delete RAID volume "+clip(id, maxStorageName), err)
}

func (o *storage) delete(ctx context.Context, controller, id string) (bmc.VolumeOrder, error) {
	u, times, err := o.find(ctx, controller)
	if err != nil {
		return bmc.VolumeOrder{}, err
	}
	all, err := o.s.c.members(ctx, u.Volumes, "VolumeCollection")
	if err != nil {
		return bmc.VolumeOrder{}, err
	}
	for _, m := range all[:min(len(all), maxVolumes)] {
		var v volume
		if err := o.s.c.read(ctx, m, "Volume", &v); absent(err) {
			continue
		} else if err != nil {
			return bmc.VolumeOrder{}, err
		}
		if volumeID(v, m.path) != id {
			continue
		}
		when := applyTime(times)
		r := request{method: http.MethodDelete, path: m.path}
		if when != "" {
			r.body = map[string]any{operationApplyTime: when}
		}
		a, err := o.s.c.do(ctx, r)
		if r.body != nil && malformed(err) {
			// It may take none with a DELETE.
			r.body = nil
			a, err = o.s.c.do(ctx, r)
		}
		if absent(err) {
			return bmc.VolumeOrder{}, nil
		}
		if err != nil {
			return bmc.VolumeOrder{}, err
		}
		return ordered(a, when), nil
	}
	return bmc.VolumeOrder{}, nil
}

const operationApplyTime = "@Redfish.OperationApplyTime"

func ordered(a *answer, when string) bmc.VolumeOrder {
	return bmc.VolumeOrder{Ticket: taskTicket(a), OnReset: when == "OnReset"}
}

// Progress implements bmc.Storage.
func (o *storage) Progress(ctx context.Context, ticket string) (bmc.UpdateProgress, error) {
	out, err := o.s.taskProgress(ctx, ticket)
	return out, o.s.wrap("follow RAID volume", err)
}

// Make implements bmc.Storage by a POST to the controller's collection of volumes (DSP8010, VolumeCollection). Which properties a BMC wants differs by make and age: it is asked by the schema's words, and where it
// refuses one of them, which did nothing, by the others: iDRAC9 before 4.40 wants VolumeType, which has no word of its own for RAID 6 and 60 (Dell's Ansible module redfish_storage_volume); some name volumes by
// DisplayName, some not at all. All of the drives' room is asked for by leaving CapacityBytes out: Dell's BOSS refuses it (metal3-io/baremetal-operator#2720).
func (o *storage) Make(ctx context.Context, controller string, v raid.Made) (bmc.VolumeOrder, error) {
	out, err := o.make(ctx, controller, v)
	return out, o.s.wrap("make RAID volume", err)
}

func (o *storage) make(ctx context.Context, controller string, v raid.Made) (bmc.VolumeOrder, error) {
	u, times, err := o.find(ctx, controller)
	if err != nil {
		return bmc.VolumeOrder{}, err
	}
	var shown raid.Controller
	ids, err := o.drives(ctx, u, &shown)
	if err != nil {
		return bmc.VolumeOrder{}, err
	}
	drives := make([]map[string]string, 0, len(v.Drives))
	for _, want := range v.Drives {
		path := link("")
		for p, id := range ids {
			if id == want {
				path = p
			}
		}
		if path == "" {
			return bmc.VolumeOrder{}, faultf(step.Invalid, "GET %s: controller %s has no drive %s any more", u.at, controller, clip(want, maxStorageName))
		}
		drives = append(drives, map[string]string{"@odata.id": string(path)})
	}
	when := applyTime(times)
	plain := map[string]any{"Links": map[string]any{"Drives": drives}}
	if v.SizeBytes > 0 {
		plain["CapacityBytes"] = v.SizeBytes
	}
	if when != "" {
		plain[operationApplyTime] = when
	}
	a, err := o.post(ctx, u.Volumes, plain, v)
	if err != nil {
		return bmc.VolumeOrder{}, err
	}
	return ordered(a, when), nil
}

// post tries the ways to say level and name, the likeliest first, while the BMC refuses a property.
func (o *storage) post(ctx context.Context, at link, plain map[string]any, v raid.Made) (*answer, error) {
	byRAID, byVolume := map[string]any{"RAIDType": raidTypes()[v.Level]}, map[string]any{"VolumeType": volumeTypes()[v.Level]}
	levels := []map[string]any{byRAID}
	if !ambiguous(v.Level) {
		levels = append(levels, byVolume)
	}
	names := []map[string]any{nil}
	if v.Name != "" {
		names = []map[string]any{{"Name": v.Name}, {"DisplayName": v.Name}, nil}
	}
	var first error
	for _, l := range levels {
		for _, n := range names {
			body := maps.Clone(plain)
			maps.Copy(body, l)
			maps.Copy(body, n)
			a, err := o.s.c.do(ctx, request{method: http.MethodPost, path: at, body: body})
			if err == nil {
				return a, nil
			}
			if first == nil {
				first = err
			}
			if !malformed(err) || !said(err, "PropertyUnknown", "PropertyNotWritable", "PropertyMissing", "CreateFailedMissingReqProperties", "PropertyValueNotInList") {
				return nil, refusedVolume(err)
			}
		}
	}
	return nil, refusedVolume(first)
}

// ambiguous: the older word means another level as well.
func ambiguous(level string) bool {
	return level == raid.DoubleParity || level == raid.DoubleParityStripes
}

// refusedVolume: the BMC understood the request and does not make such a volume.
func refusedVolume(err error) error {
	if !malformed(err) || bmc.KindOf(wrap("", "", err)) == step.Busy {
		return err
	}
	f := faultf(step.Invalid, "%w", err).withFix("correct spec.raid: the controller does not make such a volume of these drives; drives that it passes through have to be made ready for RAID first")
	f.status = statusOf(err)
	return f
}
