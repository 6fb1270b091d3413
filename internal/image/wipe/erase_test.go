package wipe_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image/wipe"
	"github.com/ingotmetal/ingot/step"
)

// lying is a disk that says that it erased and did not, in ways that real ones have.
type lying struct {
	disk.Eraser
	// how is the erasure that does nothing.
	how disk.Erasure
}

func (l lying) Erase(how disk.Erasure, off, length int64) error {
	if how == l.how {
		return nil
	}
	return l.Eraser.Erase(how, off, length)
}

// noTrim is a disk that cannot discard.
type noTrim struct{ disk.Eraser }

func (n noTrim) Erase(how disk.Erasure, off, length int64) error {
	return noDiscard{n.Eraser}.Erase(how, off, length)
}

const secret = "what the last tenant left"

func TestErasesByPolicy(t *testing.T) {
	const secure, overwrite, discard, metadata = step.EraseSecurely, step.EraseOverwrite, step.EraseDiscard, step.EraseMetadata
	// The blocks that are marked depend on the time; at this one none is where the data are.
	clock := func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }
	plain := func(d disk.Eraser) disk.Disk { return d }
	for name, c := range map[string]struct {
		firmware *filebacked.Firmware
		wrap     func(disk.Eraser) disk.Disk
		methods  []step.Method
		// did is what the evidence says, "" for a failure; says is a part of its message, answer or verification.
		did, says string
		kept      bool
	}{
		"metadata keeps data":           {nil, func(d disk.Eraser) disk.Disk { return noTrim{d} }, []step.Method{metadata}, step.DidMetadata, "found ext", true},
		"discard":                       {nil, plain, []step.Method{discard}, step.DidDiscard, "none reads as marked", false},
		"no discard":                    {nil, func(d disk.Eraser) disk.Disk { return noTrim{d} }, []step.Method{discard}, "", "not supported", true},
		"a discard that is a lie":       {nil, func(d disk.Eraser) disk.Disk { return lying{d, disk.Discard} }, []step.Method{discard}, "", "still there", true},
		"a lie, then overwritten":       {nil, func(d disk.Eraser) disk.Disk { return lying{d, disk.Discard} }, []step.Method{discard, overwrite}, step.DidOverwrite, "after discard: ", false},
		"overwrite":                     {nil, plain, []step.Method{overwrite}, step.DidOverwrite, "256 read as zero", false},
		"an overwrite that is a lie":    {nil, func(d disk.Eraser) disk.Disk { return lying{d, disk.Overwrite} }, []step.Method{overwrite}, "", "still there", true},
		"sanitize":                      {&filebacked.Firmware{Protocol: filebacked.SpeaksNVMe}, plain, []step.Method{secure}, step.DidNVMeSanitize, "Sanitize Status: completed", false},
		"format, no sanitize":           {&filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, NoSanitize: true}, plain, []step.Method{secure}, step.DidNVMeFormat, "status 0", false},
		"firmware that forgets":         {&filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, Forgets: true}, plain, []step.Method{secure}, "", "still there", true},
		"it fails, then is overwritten": {&filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, Fails: true}, plain, []step.Method{secure, overwrite}, step.DidOverwrite, "after secure-erase: ", false},
		"ata":                           {&filebacked.Firmware{Protocol: filebacked.SpeaksATA}, plain, []step.Method{secure}, step.DidATAEnhanced, "SECURITY ERASE UNIT", false},
		"frozen, nothing else allowed":  {&filebacked.Firmware{Protocol: filebacked.SpeaksATA, Frozen: true}, plain, []step.Method{secure}, "", "frozen", true},
		"frozen, then overwritten":      {&filebacked.Firmware{Protocol: filebacked.SpeaksATA, Frozen: true}, plain, []step.Method{secure, overwrite}, step.DidOverwrite, "frozen", false},
		"no firmware for it":            {nil, plain, []step.Method{secure}, "", "a disk without firmware", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := empty(t, size)
			patch(t, path, 1080, "\x53\xef")
			patch(t, path, 40*mib+12345, secret)
			m := &filebacked.Machine{Disks: map[string]filebacked.Spec{"d": {Path: path, Firmware: c.firmware}}}
			d, err := m.Open(t.Context(), "d")
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			var last step.Progress
			e := wipe.Erase(t.Context(), c.wrap(d.(disk.Eraser)), step.Disk{Name: "d", SerialNumber: "S"}, c.methods, clock, func(p step.Progress) { last = p })
			if e.Clean != (c.did != "") || c.did != "" && e.Method != c.did || !slices.Equal(e.Asked, c.methods) || e.Disk.SerialNumber != "S" || e.FinishedAt.Before(e.StartedAt) {
				t.Errorf("%+v", e)
			}
			if !strings.Contains(e.Message+e.Answer+e.Verification, c.says) || e.Clean && (e.Verification == "" || e.Bytes == 0 || last.TotalBytes == 0) {
				t.Errorf("the evidence does not say %q: %+v", c.says, e)
			}
			if why := (step.Erasure{Methods: c.methods}).Proves(e); (why == "") != e.Clean {
				t.Errorf("proved: %q", why)
			}
			b, err := os.ReadFile(path)
			if err != nil || bytes.Contains(b, []byte(secret)) != c.kept {
				t.Errorf("the data are kept: %v, want %v, %v", !c.kept, c.kept, err)
			}
		})
	}
}

// An agent that comes after one that died finds the disk at its Sanitize, waits, and needs no second one.
func TestJoinsAnErasureUnderWay(t *testing.T) {
	path := empty(t, size)
	patch(t, path, 40*mib, secret)
	holds := true
	f := &filebacked.Firmware{Protocol: filebacked.SpeaksNVMe, Holds: func() bool { return holds }}
	m := &filebacked.Machine{Disks: map[string]filebacked.Spec{"d": {Path: path, Firmware: f}}}
	for _, c := range []struct {
		methods []step.Method
		clean   bool
	}{{[]step.Method{step.EraseSecurely}, false}, {[]step.Method{step.EraseSecurely, step.EraseOverwrite}, true}} {
		d, err := m.Open(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		e := wipe.Erase(ctx, d, step.Disk{}, c.methods, nil, func(step.Progress) {
			if holds {
				cancel() // the agent dies at the first word of progress
			}
		})
		cancel()
		if e.Clean != c.clean || c.clean && (e.Method != step.DidNVMeSanitize || !strings.Contains(e.Answer, "joined")) {
			t.Errorf("%+v", e)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		holds = false
	}
	if sent := f.Sent(); !slices.Equal(sent, []string{"sanitize"}) {
		t.Errorf("sent %v", sent)
	}
}
