package bmcsim

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// drive is the virtual CD. Its fields are guarded by BMC.mu; it is changed under BMC.orders.
type drive struct {
	medium *Medium
	// image is what is shown, which may outlast the medium.
	image  string
	verify bool
}

const (
	insertAction = "/Actions/VirtualMedia.InsertMedia"
	ejectAction  = "/Actions/VirtualMedia.EjectMedia"
)

// drives are the Ids of the virtual drives.
func (b *BMC) drives() []string {
	if b.who.UploadDrives {
		return []string{"EXT1", "RDOC1", "RDOC2"}
	}
	return []string{"Cd"}
}

func (b *BMC) listDrives(c *call) reply {
	d := collection(c.path, "VirtualMediaCollection", "Virtual Media Collection", b.drives())
	if members, isList := d["Members"].([]doc); isList && b.who.UploadDrives {
		slices.Reverse(members) // the drives for uploads come first, as with the real one
	}
	return ok(d)
}

func (b *BMC) readDrive(c *call) reply {
	id := c.path[strings.LastIndexByte(c.path, '/')+1:]
	more := doc{
		"MediaTypes": []string{"CD", "DVD"}, "Image": nil, "ImageName": nil, "Inserted": false, "ConnectedVia": "NotConnected", "WriteProtected": true,
		"TransferProtocolType": nil, "Status": healthy(),
	}
	if id != b.who.drive() {
		return ok(resource(c.path, "#VirtualMedia.v1_6_3.VirtualMedia", id, "Drive for uploads", more))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	more["VerifyCertificate"] = b.drive.verify
	if b.drive.image != "" {
		more["Image"] = b.drive.image
		more["ImageName"] = b.drive.image[strings.LastIndexByte(b.drive.image, '/')+1:]
	}
	if b.drive.medium != nil {
		scheme, _, _ := strings.Cut(b.drive.medium.URL, ":")
		more["Inserted"], more["ConnectedVia"], more["TransferProtocolType"] = true, "URI", strings.ToUpper(scheme)
	}
	if b.who.ImageStaysAfterEject {
		delete(more, "Inserted")
	}
	if !b.who.MediaByPatch {
		insert := doc{"target": c.path + insertAction}
		if b.who.InsertWantsProtocol {
			insert["TransferProtocolType@Redfish.AllowableValues"] = []string{"HTTP", "HTTPS"}
		}
		more["Actions"] = doc{"#VirtualMedia.InsertMedia": insert, "#VirtualMedia.EjectMedia": doc{"target": c.path + ejectAction}}
	}
	return ok(resource(c.path, "#VirtualMedia.v1_6_3.VirtualMedia", id, "Virtual CD", more))
}

// insert does InsertMedia.
func (b *BMC) insert(c *call) reply {
	var ask map[string]json.RawMessage
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	for name := range ask {
		known := []string{"Image", "Inserted", "WriteProtected", "TransferProtocolType", "TransferMethod", "UserName", "Password"}
		if b.who.InsertImageOnly {
			known = known[:1]
		}
		if !slices.Contains(known, name) {
			return refuse(http.StatusBadRequest, "ActionParameterUnknown", "The action #VirtualMedia.InsertMedia was submitted with the invalid parameter "+name+".")
		}
	}
	image := quoted(ask["Image"])
	if image == "" {
		return refuse(http.StatusBadRequest, "ActionParameterMissing", "The action #VirtualMedia.InsertMedia requires the parameter Image.")
	}
	scheme, _, _ := strings.Cut(image, ":")
	protocol := quoted(ask["TransferProtocolType"])
	if (b.who.InsertWantsProtocol || protocol != "") && !strings.EqualFold(protocol, scheme) {
		return refuse(http.StatusBadRequest, "ActionParameterMissing", "The action #VirtualMedia.InsertMedia requires a parameter TransferProtocolType that fits the image.")
	}
	if b.who.InsertByTask {
		return b.startTask("Insert Virtual Media", func() *reply { return b.load(image) })
	}
	if rep := b.load(image); rep != nil {
		return *rep
	}
	return noContent()
}

// quoted is a JSON string; empty for anything else.
func quoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func (b *BMC) eject(*call) reply {
	if rep := b.unload(); rep != nil {
		return *rep
	}
	return noContent()
}

// patchDrive changes VerifyCertificate, and the image where that is the BMC's way.
func (b *BMC) patchDrive(c *call) reply {
	var ask map[string]json.RawMessage
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	for name := range ask {
		byPatch := b.who.MediaByPatch && slices.Contains([]string{"Image", "Inserted", "WriteProtected", "UserName", "Password"}, name)
		if name != "VerifyCertificate" && !byPatch || !strings.HasSuffix(c.path, "/"+b.who.drive()) {
			return refuse(http.StatusBadRequest, "PropertyNotWritable", "The property "+name+" is a read only property and cannot be assigned a value.")
		}
	}
	if raw, given := ask["VerifyCertificate"]; given {
		var verify bool
		if json.Unmarshal(raw, &verify) != nil {
			return refuse(http.StatusBadRequest, "PropertyValueTypeError", "The property VerifyCertificate is a boolean.")
		}
		b.mu.Lock()
		b.drive.verify = verify
		b.mu.Unlock()
	}
	var rep *reply
	switch raw, given := ask["Image"]; {
	case !given:
	case string(raw) == "null" || quoted(raw) == "":
		rep = b.unload()
	default:
		rep = b.load(quoted(raw))
	}
	if rep != nil {
		return *rep
	}
	return noContent()
}

// load fetches a medium and puts it into the drive, which must be empty.
func (b *BMC) load(image string) *reply {
	b.orders.Lock()
	defer b.orders.Unlock()
	b.mu.Lock()
	taken, verify, closed := b.drive.medium != nil, b.drive.verify, b.closed
	b.mu.Unlock()
	if taken || closed {
		rep := refuse(http.StatusConflict, "ResourceInUse", "The change to the requested resource failed because the resource is in use: a medium is inserted.")
		return &rep
	}
	if u, err := url.Parse(image); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		rep := refuse(http.StatusBadRequest, "ActionParameterValueFormatError", "The value for the parameter Image is not a URL that this BMC can read.")
		return &rep
	}
	m, err := b.server.fetch.open(b, image, verify)
	if err != nil {
		rep := refuse(http.StatusBadRequest, "ResourceAtUriInUnknownFormat", "The remote image could not be connected: "+err.Error())
		return &rep
	}
	b.mu.Lock()
	b.drive.medium, b.drive.image = m, image
	b.mu.Unlock()
	if rep := b.tell(m); rep != nil {
		if err := b.removeMedium(); err != nil {
			b.server.opts.Logger.Error("medium stays behind", "machine", b.config.Name, "bmc", b.HostPort(), "err", err)
		}
		return rep
	}
	return nil
}

// tell lets the machine notice.
func (b *BMC) tell(m *Medium) *reply {
	b.mediaEvent()
	changer, can := b.machine.(MediumChanger)
	if !can {
		return nil
	}
	if err := changer.ChangeMedium(b.server.ctx, m); err != nil {
		rep := refuse(http.StatusInternalServerError, "InternalError", "The machine did not take the medium: "+err.Error())
		return &rep
	}
	return nil
}

// unload empties the drive. An empty drive is no error.
func (b *BMC) unload() *reply {
	b.orders.Lock()
	defer b.orders.Unlock()
	b.mu.Lock()
	m := b.drive.medium
	b.mu.Unlock()
	if m == nil {
		return nil
	}
	if rep := b.tell(nil); rep != nil {
		return rep
	}
	if err := b.removeMedium(); err != nil {
		rep := refuse(http.StatusInternalServerError, "InternalError", err.Error())
		return &rep
	}
	return nil
}

// removeMedium is called with orders held.
func (b *BMC) removeMedium() error {
	b.mu.Lock()
	m := b.drive.medium
	b.drive.medium = nil
	if !b.who.ImageStaysAfterEject {
		b.drive.image = ""
	}
	b.mu.Unlock()
	if m == nil || m.Path == "" {
		return nil
	}
	file, isCloser := m.Image.(interface{ Close() error })
	if isCloser {
		if err := file.Close(); err != nil {
			return err
		}
	}
	if err := os.Remove(m.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
