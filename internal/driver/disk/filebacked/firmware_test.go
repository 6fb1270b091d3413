package filebacked_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/disktest"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/step"
)

// machine has one disk with firmware.
func machine(t *testing.T, f *filebacked.Firmware) *filebacked.Machine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := filebacked.Create(path, 16<<20); err != nil {
		t.Fatal(err)
	}
	return &filebacked.Machine{Disks: map[string]filebacked.Spec{"d": {Path: path, Firmware: f}}}
}

func eraser(t *testing.T, m *filebacked.Machine) disk.Eraser {
	t.Helper()
	d, err := m.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, disk.ErrClosed) {
			t.Error(err)
		}
	})
	return d.(disk.Eraser)
}

func TestContractWithFirmware(t *testing.T) {
	nvme, ata := filebacked.SpeaksNVMe, filebacked.SpeaksATA
	for name, c := range map[string]struct {
		firmware *filebacked.Firmware
		means    []disk.Means
	}{
		"nvme":                     {&filebacked.Firmware{Protocol: nvme}, []disk.Means{disk.NVMeSanitize, disk.NVMeFormat}},
		"nvme without sanitize":    {&filebacked.Firmware{Protocol: nvme, NoSanitize: true}, []disk.Means{disk.NVMeFormat}},
		"nvme with two namespaces": {&filebacked.Firmware{Protocol: nvme, Namespaces: 2}, []disk.Means{disk.NVMeFormat}},
		"nvme without either":      {&filebacked.Firmware{Protocol: nvme, NoSanitize: true, NoFormat: true}, nil},
		"ata":                      {&filebacked.Firmware{Protocol: ata}, []disk.Means{disk.ATAEnhanced, disk.ATASecure}},
		"ata without enhanced":     {&filebacked.Firmware{Protocol: ata, NoEnhanced: true}, []disk.Means{disk.ATASecure}},
		"ata without security":     {&filebacked.Firmware{Protocol: ata, NoSecurity: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			disktest.Run(t, disktest.Subject{Opener: machine(t, c.firmware), Name: "d", Missing: "e", Means: c.means})
			if p := c.firmware.Password(); p != "" {
				t.Errorf("the password %q is left", p)
			}
		})
	}
	for d, want := range map[step.Transport]filebacked.Protocol{step.NVMe: nvme, step.SATA: ata, step.VirtIO: ""} {
		if f := filebacked.FirmwareFor(step.Disk{Transport: d}); (f == nil) != (want == "") || f != nil && f.Protocol != want {
			t.Errorf("%s: %+v", d, f)
		}
	}
}

// What goes wrong with an erasure by the disk's firmware is said, and leaves no password.
func TestErasuresThatFail(t *testing.T) {
	ours := "ingot-erasure" + strings.Repeat("\x00", 19)
	for name, c := range map[string]struct {
		firmware *filebacked.Firmware
		lock     string
		how      disk.Means
		want     error
		sent     []string
		// password stays.
		password string
	}{
		"frozen":                     {&filebacked.Firmware{Protocol: filebacked.SpeaksATA, Frozen: true}, "", disk.ATASecure, disk.ErrFrozen, nil, ""},
		"ata fails midway":           {&filebacked.Firmware{Protocol: filebacked.SpeaksATA, Fails: true}, "", disk.ATASecure, disk.ErrIO, []string{"erase unit 0"}, ""},
		"locked by somebody":         {&filebacked.Firmware{Protocol: filebacked.SpeaksATA}, "theirs", disk.ATASecure, disk.ErrRefused, nil, "theirs"},
		"locked by an earlier start": {&filebacked.Firmware{Protocol: filebacked.SpeaksATA}, ours, disk.ATAEnhanced, nil, []string{"erase unit 2"}, ""},
		"sanitize fails midway":      {&filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, Fails: true}, "", disk.NVMeSanitize, disk.ErrIO, []string{"sanitize", "exit failure mode"}, ""},
		"format fails midway":        {&filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, Fails: true}, "", disk.NVMeFormat, disk.ErrRefused, []string{"format"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.firmware
			if c.lock != "" {
				f.Lock(c.lock)
			}
			d := eraser(t, machine(t, f))
			if a, err := d.Ability(t.Context()); err != nil || (a.Running != "") != (c.lock != "") {
				t.Errorf("ability %+v, %v", a, err)
			}
			_, err := d.EraseAll(t.Context(), c.how, func(float64) {})
			if !errors.Is(err, c.want) || !slices.Equal(f.Sent(), c.sent) || f.Password() != c.password {
				t.Errorf("%v, sent %v, password %q", err, f.Sent(), f.Password())
			}
			if _, err := d.ReadAt(make([]byte, 512), 0); (err == nil) != (c.password == "") {
				t.Errorf("reading afterwards: %v", err)
			}
		})
	}
}

// A Sanitize goes on without whoever began it; the next one finds it and waits for it, and begins none.
func TestASanitizeOutlivesWhoBeganIt(t *testing.T) {
	var held atomic.Bool
	held.Store(true)
	f := &filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, Holds: held.Load}
	m := machine(t, f)
	first := eraser(t, m)
	data := bytes.Repeat([]byte("data"), 1024)
	if _, err := first.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := first.EraseAll(ctx, disk.NVMeSanitize, func(float64) { cancel() })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "it goes on") {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := eraser(t, m)
	if _, err := second.ReadAt(make([]byte, 512), 0); !errors.Is(err, disk.ErrIO) {
		t.Errorf("reading in the middle of it: %v", err)
	}
	if a, err := second.Ability(t.Context()); err != nil || a.Running != disk.NVMeSanitize {
		t.Fatalf("%+v, %v", a, err)
	}
	held.Store(false)
	answer, err := second.EraseAll(t.Context(), disk.NVMeSanitize, func(float64) {})
	if err != nil || !strings.Contains(answer, "joined") || !slices.Equal(f.Sent(), []string{"sanitize"}) {
		t.Errorf("%q, %v, sent %v", answer, err, f.Sent())
	}
	got := make([]byte, len(data))
	if _, err := second.ReadAt(got, 0); err != nil || len(bytes.Trim(got, "\x00")) != 0 {
		t.Errorf("the data are there: %v", err)
	}
}
