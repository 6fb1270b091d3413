package bmcsim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/raid"
)

// RAIDController is a RAID controller of a BMC's machine. Its drives are no disks of the system before they are in a volume.
type RAIDController struct {
	// ID is that of its Storage.
	ID, Name string
	// Types are those of Volume.RAIDType that it supports.
	Types  []string
	Drives []RAIDDrive
}

// RAIDDrive is a drive at a RAID controller.
type RAIDDrive struct {
	Disk

	// Failed: its health is Critical. Spare: it is a hot spare.
	Failed, Spare bool
}

// Volume is a volume of a RAID controller, as its machine's system sees it.
type Volume struct {
	Name string
	// WWN is "0x" and 32 hex digits.
	WWN       string
	SizeBytes int64
}

// VolumeHolder is what a Machine also implements whose system sees volumes as disks. They are there, or gone, from the machine's next boot on.
type VolumeHolder interface {
	SetVolumes(volumes []Volume) error
}

// raidState is guarded by BMC.mu.
type raidState struct {
	now raid.Storage
	// waiting are changes of the next boot.
	waiting []volumeJob
	// asked are the changes that were asked for, in words and in order.
	asked []string
}

// volumeJob is one change.
type volumeJob struct {
	task *task
	do   func(raid.Storage) raid.Storage
}

// VolumesAsked are the changes of volumes that the BMC was asked for, in order.
func (b *BMC) VolumesAsked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.raid.asked)
}

// RAIDStorage is what the RAID controllers have.
func (b *BMC) RAIDStorage() raid.Storage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.raid.now
}

// MakeVolume has a volume made before anybody asked the BMC, as a machine's last owner may have left one.
func (b *BMC) MakeVolume(controller string, v raid.Made) error {
	b.mu.Lock()
	b.raid.now, _ = b.raid.now.With(controller, v)
	b.mu.Unlock()
	return b.showVolumes()
}

// raidLevels are Metal3's words for Redfish's.
func raidLevels() map[string]string {
	return map[string]string{
		"RAID0": raid.Striped, "RAID1": raid.Mirrored, "RAID5": raid.Parity, "RAID6": raid.DoubleParity, "RAID10": raid.MirroredStripes, "RAID50": raid.ParityStripes, "RAID60": raid.DoubleParityStripes,
		"NonRedundant": raid.Striped, "Mirrored": raid.Mirrored, "StripedWithParity": raid.Parity, "SpannedMirrors": raid.MirroredStripes, "SpannedStripesWithParity": raid.ParityStripes,
	}
}

func raidStorage(c Config) raid.Storage {
	var out raid.Storage
	for _, k := range c.RAID {
		next := raid.Controller{ID: k.ID}
		for n, d := range k.Drives {
			next.Drives = append(next.Drives, raid.Drive{ID: driveID(k, n), SizeBytes: d.SizeBytes})
		}
		out.Controllers = append(out.Controllers, next)
	}
	return out
}

// driveID is the Id of a controller's drive.
func driveID(k RAIDController, n int) string { return fmt.Sprintf("Disk.Bay.%d:%s", n, k.ID) }

func (b *BMC) storagePath() string { return b.systemPath() + "/Storage" }

func (b *BMC) storageRoutes() []route {
	p := b.storagePath()
	r := []route{get(p, b.listStorage), get(p+"/1", b.directStorage), get(p+"/1/Drives/*", b.physicalDrive)}
	for _, k := range b.config.RAID {
		own := p + "/" + k.ID
		r = append(r,
			get(own, func(c *call) reply { return b.raidStorageDoc(c, k) }),
			get(own+"/Drives/*", func(c *call) reply { return b.raidDrive(c, k) }),
			get(own+"/Volumes", func(c *call) reply { return b.listVolumes(c, k) }).and(http.MethodPost, func(c *call) reply { return b.makeVolume(c, k) }),
			get(own+"/Volumes/*", func(c *call) reply { return b.readVolume(c, k) }).and(http.MethodDelete, func(c *call) reply { return b.deleteVolume(c, k) }),
		)
		if b.who.ControllersApart {
			r = append(r, get(own+"/Controllers", func(c *call) reply {
				return ok(collection(c.path, "StorageControllerCollection", "Controllers", []string{"0"}))
			}), get(own+"/Controllers/0", func(c *call) reply {
				return ok(resource(c.path, "#StorageController.v1_7_1.StorageController", "0", k.Name, doc{"SupportedRAIDTypes": k.Types, "Status": healthy()}))
			}))
		}
	}
	return r
}

func (b *BMC) listStorage(c *call) reply {
	ids := []string{"1"}
	for _, k := range b.config.RAID {
		ids = append(ids, k.ID)
	}
	return ok(collection(c.path, "StorageCollection", "Storage", ids))
}

// directStorage passes its disks through.
func (b *BMC) directStorage(c *call) reply {
	drives := []doc{}
	for _, id := range numbers(len(b.machine.Hardware().Disks)) {
		drives = append(drives, ref(c.path+"/Drives/"+id))
	}
	return ok(resource(c.path, "#Storage.v1_17_1.Storage", "1", "Storage", doc{"Drives": drives, "Drives@odata.count": len(drives), "Status": healthy()}))
}

func (b *BMC) physicalDrive(c *call) reply {
	d, found := nth(c, b.machine.Hardware().Disks)
	if !found {
		return notFound(c)
	}
	return ok(driveDoc(c, d))
}

func driveDoc(c *call, d Disk) doc {
	more := doc{"Model": d.Model, "SerialNumber": d.SerialNumber, "CapacityBytes": d.SizeBytes, "Protocol": d.Protocol, "MediaType": "SSD", "Status": healthy()}
	if d.Rotational {
		more["MediaType"], more["RotationSpeedRPM"] = "HDD", 7200
	}
	return resource(c.path, "#Drive.v1_20_1.Drive", c.part, d.Name, more)
}

func (b *BMC) raidStorageDoc(c *call, k RAIDController) reply {
	drives := []doc{}
	for n := range k.Drives {
		drives = append(drives, ref(c.path+"/Drives/"+driveID(k, n)))
	}
	more := doc{"Drives": drives, "Volumes": ref(c.path + "/Volumes"), "Status": healthy()}
	if b.who.ControllersApart {
		more["Controllers"] = ref(c.path + "/Controllers")
	} else {
		more["StorageControllers"] = []doc{{"@odata.id": c.path + "#/StorageControllers/0", "MemberId": "0", "Name": k.Name, "SupportedRAIDTypes": k.Types, "Status": healthy()}}
	}
	return ok(resource(c.path, "#Storage.v1_17_1.Storage", k.ID, k.Name, more))
}

func (b *BMC) raidDrive(c *call, k RAIDController) reply {
	for n, d := range k.Drives {
		if driveID(k, n) != c.part {
			continue
		}
		out := driveDoc(c, d.Disk)
		if d.Failed {
			out["Status"] = doc{"State": "Enabled", "Health": "Critical"}
		}
		if d.Spare {
			out["HotspareType"] = "Global"
		}
		return ok(out)
	}
	return notFound(c)
}

// applyTimes are when volumes can be changed.
func (b *BMC) applyTimes() []string {
	switch {
	case b.who.VolumesOnReset:
		return []string{"OnReset"}
	case b.who.VolumesAtOnce:
		return nil
	}
	return []string{"OnReset", "Immediate"}
}

func (b *BMC) volumesOf(id string) []raid.Made {
	for _, c := range b.raid.now.Controllers {
		if c.ID == id {
			return c.Volumes
		}
	}
	return nil
}

func (b *BMC) listVolumes(c *call, k RAIDController) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, v := range b.volumesOf(k.ID) {
		ids = append(ids, v.ID)
	}
	out := collection(c.path, "VolumeCollection", "Volumes", ids)
	if times := b.applyTimes(); times != nil {
		out["@Redfish.OperationApplyTimeSupport"] = doc{"@odata.type": "#Settings.v1_3_5.OperationApplyTimeSupport", "SupportedValues": times}
	}
	return ok(out)
}

func (b *BMC) readVolume(c *call, k RAIDController) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range b.volumesOf(k.ID) {
		if v.ID != c.part {
			continue
		}
		drives := []doc{}
		for _, d := range v.Drives {
			drives = append(drives, ref(b.storagePath()+"/"+k.ID+"/Drives/"+d))
		}
		word := map[bool]string{false: "RAIDType", true: "VolumeType"}[b.who.VolumeByType]
		name := v.Name
		if name == "" {
			name = "Virtual Disk " + v.ID
		}
		more := doc{"CapacityBytes": v.SizeBytes, word: b.word(v.Level), "Links": doc{"Drives": drives}, "Status": healthy(),
			"Identifiers": []doc{{"DurableNameFormat": "NAA", "DurableName": strings.ToUpper(strings.TrimPrefix(v.WWN, "0x"))}}}
		if b.who.VolumeDisplayName && v.Name != "" {
			more["DisplayName"], name = name, "Volume "+v.ID
		}
		return ok(resource(c.path, "#Volume.v1_10_1.Volume", v.ID, name, more))
	}
	return notFound(c)
}

// word is Redfish's for a level, the newer or the older one.
func (b *BMC) word(level string) string {
	for word, l := range raidLevels() {
		if l == level && strings.HasPrefix(word, "RAID") != b.who.VolumeByType {
			return word
		}
	}
	return ""
}

// volumeAsk is the body of a POST to a collection of volumes.
type volumeAsk struct {
	RAIDType, VolumeType string
	Name, DisplayName    string
	CapacityBytes        int64
	Links                struct {
		Drives []struct {
			ID string `json:"@odata.id"`
		}
	}
	When string `json:"@Redfish.OperationApplyTime"`
}

func (b *BMC) makeVolume(c *call, k RAIDController) reply {
	var ask volumeAsk
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if rep := b.refuseAsk(ask, k); rep != nil {
		return *rep
	}
	made := raid.Made{Name: ask.Name + ask.DisplayName, Level: raidLevels()[ask.RAIDType+ask.VolumeType], SizeBytes: ask.CapacityBytes}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range ask.Links.Drives {
		id := d.ID[strings.LastIndexByte(d.ID, '/')+1:]
		n := slices.IndexFunc(slices.Collect(seq(len(k.Drives))), func(n int) bool { return driveID(k, n) == id })
		switch {
		case n < 0:
			return refuse(http.StatusBadRequest, "PropertyValueNotInList", "The drive "+id+" is not at this controller.")
		case k.Drives[n].Failed || k.Drives[n].Spare:
			return refuse(http.StatusBadRequest, "PropertyValueConflict", "The drive "+id+" cannot be used.")
		case slices.ContainsFunc(b.volumesOf(k.ID), func(v raid.Made) bool { return slices.Contains(v.Drives, id) }):
			return refuse(http.StatusBadRequest, "PropertyValueConflict", "The drive "+id+" is in use by another volume.")
		}
		made.Drives = append(made.Drives, id)
	}
	b.raid.asked = append(b.raid.asked, "make "+made.Level+" of "+strings.Join(made.Drives, " "))
	return b.changeVolumes("Create volume", ask.When, func(s raid.Storage) raid.Storage {
		next, _ := s.With(k.ID, made)
		return next
	})
}

func seq(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func (b *BMC) refuseAsk(ask volumeAsk, k RAIDController) *reply {
	no := func(id, text string) *reply {
		rep := refuse(http.StatusBadRequest, id, text)
		return &rep
	}
	switch {
	case b.who.VolumeByType && ask.RAIDType != "":
		return no("PropertyUnknown", "The property RAIDType is not in the list of valid properties for the resource.")
	case ask.RAIDType == "" && !b.who.VolumeByType:
		return no("PropertyMissing", "The property RAIDType is a required property and must be included in the request.")
	case b.who.VolumeDisplayName && ask.Name != "":
		return no("PropertyNotWritable", "The property Name is a read only property and cannot be assigned a value.")
	case !b.who.VolumeDisplayName && ask.DisplayName != "":
		return no("PropertyUnknown", "The property DisplayName is not in the list of valid properties for the resource.")
	case raidLevels()[ask.RAIDType+ask.VolumeType] == "" || ask.RAIDType != "" && !slices.Contains(k.Types, ask.RAIDType):
		return no("PropertyValueNotInList", "The RAID type '"+ask.RAIDType+ask.VolumeType+"' is not supported.")
	case len(ask.Links.Drives) == 0:
		return no("PropertyMissing", "The property Links/Drives is a required property.")
	case !slices.Contains(append(b.applyTimes(), ""), ask.When):
		return no("PropertyValueNotInList", "The apply time '"+ask.When+"' is not supported.")
	}
	return nil
}

func (b *BMC) deleteVolume(c *call, k RAIDController) reply {
	var ask struct {
		When string `json:"@Redfish.OperationApplyTime"`
	}
	if len(c.body) > 0 {
		if rep := c.into(&ask); rep != nil {
			return *rep
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.volumesOf(k.ID), func(v raid.Made) bool { return v.ID == c.part }) {
		return notFound(c)
	}
	id := c.part
	b.raid.asked = append(b.raid.asked, "delete "+id)
	return b.changeVolumes("Delete volume", ask.When, func(s raid.Storage) raid.Storage { return s.Without(k.ID, id) })
}

// changeVolumes carries a change out: at once, by a task, or with the next boot. It is called with mu held.
func (b *BMC) changeVolumes(name, when string, do func(raid.Storage) raid.Storage) reply {
	faults := b.faults.set
	if b.who.VolumesAtOnce {
		if faults.VolumeFailure != "" {
			return refuse(http.StatusInternalServerError, "InternalError", faults.VolumeFailure)
		}
		b.raid.now = do(b.raid.now)
		b.server.work.Go(func() { _ = b.showVolumes() }) // a machine without disks of its own has nothing to show
		return reply{status: http.StatusCreated}
	}
	job := volumeJob{b.newTask(name), do}
	if when == "OnReset" || b.who.VolumesOnReset {
		job.task.state = "Pending"
		b.raid.waiting = append(b.raid.waiting, job)
	} else {
		b.server.work.Go(func() {
			if d := time.Duration(faults.VolumeMilliseconds) * time.Millisecond; d > 0 && !pauseFor(b.server, d) {
				return
			}
			b.mu.Lock()
			b.carryOut(job)
			b.mu.Unlock()
			_ = b.showVolumes() // a machine without disks of its own has nothing to show
		})
	}
	return reply{status: http.StatusAccepted, body: b.taskDoc(job.task), header: map[string]string{"Location": tasksPath + "/" + job.task.id}}
}

// carryOut ends a change. It is called with mu held.
func (b *BMC) carryOut(j volumeJob) {
	f := b.faults.set
	if f.VolumeFailure != "" {
		j.task.state, j.task.message, j.task.end = "Exception", f.VolumeFailure, time.Now()
		return
	}
	j.task.state, j.task.message, j.task.end = "Completed", "The volume was changed.", time.Now()
	if !f.ForgetVolumes {
		b.raid.now = j.do(b.raid.now)
	}
}

// bootVolumes carries out what waited for the boot. It is called with mu held; the machine is told before it boots.
func (b *BMC) bootVolumes() {
	if len(b.raid.waiting) == 0 {
		return
	}
	for _, j := range b.raid.waiting {
		b.carryOut(j)
	}
	b.raid.waiting = nil
	_ = b.tellMachine() // a machine without disks of its own has nothing to show
}

// showVolumes tells the machine.
func (b *BMC) showVolumes() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tellMachine()
}

// tellMachine is called with mu held; machines take it without asking back.
func (b *BMC) tellMachine() error {
	holder, can := b.machine.(VolumeHolder)
	if !can {
		return errors.New("the machine's system sees no volumes")
	}
	var out []Volume
	for _, c := range b.raid.now.Controllers {
		for _, v := range c.Volumes {
			out = append(out, Volume{Name: c.ID + "-" + strconv.Itoa(len(out)), WWN: v.WWN, SizeBytes: v.SizeBytes})
		}
	}
	return holder.SetVolumes(out)
}
