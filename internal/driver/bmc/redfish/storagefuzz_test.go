package redfish_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/raid"
)

// The documents of a RAID controller in the shapes of three makers: the older one with the controllers inside (iDRAC 9), the newer one with a collection of them (iLO 6), and volumes by VolumeType (BMCs before Volume 1.4).
const (
	storageCollectionDoc = `{"@odata.id":"/redfish/v1/Systems/1/Storage","@odata.type":"#StorageCollection.StorageCollection","Members":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1"}],"Members@odata.count":1}`
	storageInlineDoc     = `{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1","@odata.type":"#Storage.v1_13_0.Storage","Id":"RAID.Integrated.1-1","Name":"PERC H755 Front","Drives":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.0"},{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.1"}],"Drives@odata.count":2,"StorageControllers":[{"MemberId":"0","Model":"PERC H755 Front","Name":"PERC H755 Front","SupportedRAIDTypes":["RAID0","RAID1","RAID5","RAID6","RAID10","RAID50","RAID60"]}],"Volumes":{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Volumes"}}`
	storageNewerDoc      = `{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1","@odata.type":"#Storage.v1_12_0.Storage","Id":"DE00A000","Name":"HPE MR416i-p Gen11","Controllers":{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Controllers"},"Drives":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.0"}],"Volumes":{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Volumes"}}`
	controllersDoc       = `{"Members":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Controllers/0"}]}`
	controllerDoc        = `{"@odata.type":"#StorageController.v1_6_0.StorageController","Id":"0","Name":"HPE MR416i-p Gen11","Model":"MR416i-p","SupportedRAIDTypes":["RAID0","RAID1","RAID5","RAID10"]}`
	driveOfRAIDDoc       = `{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.0","@odata.type":"#Drive.v1_15_0.Drive","Id":"Disk.Bay.0","Name":"Solid State Disk 0:1:0","SerialNumber":"S6ESNA0R500123","MediaType":"SSD","Protocol":"SAS","CapacityBytes":479559942144,"RotationSpeedRPM":null,"HotspareType":"None","FailurePredicted":false,"Status":{"Health":"OK","HealthRollup":"OK","State":"Enabled"}}`
	volumesDoc           = `{"@odata.type":"#VolumeCollection.VolumeCollection","Members":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Volumes/Disk.Virtual.0"}],"@Redfish.OperationApplyTimeSupport":{"SupportedValues":["Immediate","OnReset"]}}`
	volumeDoc            = `{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Volumes/Disk.Virtual.0","@odata.type":"#Volume.v1_8_0.Volume","Id":"Disk.Virtual.0","Name":"os","RAIDType":"RAID1","VolumeType":"Mirrored","CapacityBytes":479559942144,"Identifiers":[{"DurableName":"6f4ee08036cf7b002b1c2a7b0f3c5e21","DurableNameFormat":"NAA"}],"Links":{"Drives":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.0"}],"Drives@odata.count":1}}`
	olderVolumeDoc       = `{"Id":"1","Name":"Logical","VolumeType":"StripedWithParity","CapacityBytes":1.2e12,"Links":{"Drives":[{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.1"}]}}`
)

// storagePaths are what is read of a controller, the shortest path last, since the fuzzed one stands for all below it.
func storagePaths() []string {
	const at = "/redfish/v1/Systems/1/Storage"
	const unit = at + "/RAID.Integrated.1-1"
	return []string{unit + "/Volumes/Disk.Virtual.0", unit + "/Drives/Disk.Bay.0", unit + "/Controllers/0", unit + "/Volumes", unit + "/Controllers", unit, at}
}

// FuzzStorage feeds any body to each of the views of a BMC's storage: no panic, no endless loop, errors that say where, and controllers, drives and volumes of sound sizes.
func FuzzStorage(f *testing.F) {
	docs := []string{volumeDoc, driveOfRAIDDoc, controllerDoc, volumesDoc, controllersDoc, storageInlineDoc, storageCollectionDoc}
	for i := range storagePaths() {
		for _, doc := range append(docs, storageNewerDoc, olderVolumeDoc, "", "null", "[]", `{"Members":7}`, "<html>") {
			f.Add(uint8(i), false, doc)
		}
		f.Add(uint8(i), true, docs[i])
	}
	const drive = `{"@odata.id":"/redfish/v1/Systems/1/Storage/RAID.Integrated.1-1/Drives/Disk.Bay.0"}`
	f.Add(uint8(0), false, strings.Replace(volumeDoc, drive, drive+","+drive+","+drive, 1))
	f.Fuzz(func(t *testing.T, which uint8, newer bool, body string) {
		paths := storagePaths()
		good := goodBMC()
		good["/redfish/v1/Systems/1"] = says(200, replaceIn(systemDoc, `"PowerState"`, `"Storage":{"@odata.id":"/redfish/v1/Systems/1/Storage"},"PowerState"`))
		for i, path := range paths {
			good[path] = says(200, docs[i])
		}
		if newer {
			good[paths[5]] = says(200, storageNewerDoc)
		}
		good[strings.Replace(paths[1], "Bay.0", "Bay.1", 1)] = says(200, strings.ReplaceAll(driveOfRAIDDoc, "Bay.0", "Bay.1"))
		o := fast()
		o.Transport = fuzzed{good: good, path: paths[int(which)%len(paths)], status: 200, body: body}
		o.MaxBodyBytes = 1 << 20
		d, err := redfish.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s, err := d.Open(ctx, bmc.Target{Address: "redfish://10.0.0.5", Username: "admin", Password: secret.New("hunter2-0815")})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.Storage().Read(ctx)
		sound(t, err)
		for _, c := range all.Controllers {
			soundController(t, c)
		}
		if ctx.Err() != nil {
			t.Fatal("the answers kept the driver busy for ten seconds")
		}
		sound(t, s.Close(ctx))
	})
}

// soundController holds what was taken from a BMC to what records and messages can hold.
func soundController(t *testing.T, c raid.Controller) {
	t.Helper()
	short := func(texts ...string) {
		for _, text := range texts {
			if len(text) > 200 || strings.ContainsAny(text, "\n\r\x00") {
				t.Errorf("an unsound name: %q", text)
			}
		}
	}
	short(append(c.Names, c.ID)...)
	if len(c.Drives) > 1000 || len(c.Volumes) > 64 || len(c.Levels) > 7 {
		t.Errorf("%d drives, %d volumes, levels %v", len(c.Drives), len(c.Volumes), c.Levels)
	}
	ids := map[string]bool{}
	for _, d := range c.Drives {
		short(d.ID, d.Name, d.SerialNumber, d.Protocol, d.Unusable)
		if d.SizeBytes < 0 || ids[d.ID] {
			t.Errorf("an unsound drive: %+v", d)
		}
		ids[d.ID] = true
	}
	for _, v := range c.Volumes {
		short(v.ID, v.Name, v.Level, v.WWN)
		twice := slices.ContainsFunc(v.Drives, func(id string) bool { return !ids[id] })
		if v.SizeBytes < 0 || twice || len(v.Drives) > len(c.Drives) {
			t.Errorf("an unsound volume: %+v", v)
		}
	}
}
