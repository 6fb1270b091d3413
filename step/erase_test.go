package step

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEachDiskHasItsRule(t *testing.T) {
	e := Erasure{Methods: []Method{EraseSecurely, EraseOverwrite}, Disks: []DiskRule{
		{SerialNumber: "DATA-1", Keep: true},
		{WWN: "0x5000C500A1B2C3D4", Methods: []Method{EraseDiscard}},
		{SerialNumber: "both", Methods: []Method{EraseDiscard}},
		{WWN: "0xboth", Keep: true},
	}}
	for name, c := range map[string]struct {
		disk Disk
		want []Method
		keep bool
	}{
		"the host's policy":               {Disk{SerialNumber: "S"}, []Method{EraseSecurely, EraseOverwrite}, false},
		"a disk without numbers":          {Disk{}, []Method{EraseSecurely, EraseOverwrite}, false},
		"kept by serial":                  {Disk{SerialNumber: "data-1"}, nil, true},
		"a rule by WWN":                   {Disk{WWN: "0x5000c500a1b2c3d4"}, []Method{EraseDiscard}, false},
		"a rule by WWN with extension":    {Disk{WWNWithExtension: "0x5000c500a1b2c3d4"}, []Method{EraseDiscard}, false},
		"of two rules the one that keeps": {Disk{SerialNumber: "both", WWN: "0xboth"}, nil, true},
	} {
		methods, keep := e.For(c.disk)
		if !slices.Equal(methods, c.want) || (keep != "") != c.keep || e.Keeps(c.disk) != c.keep {
			t.Errorf("%s: %v, kept since %q", name, methods, keep)
		}
	}
	if m, keep := (Erasure{}).For(Disk{}); keep != "" || !slices.Equal(m, []Method{EraseMetadata}) {
		t.Errorf("without a policy: %v, %q", m, keep)
	}
}

func TestWhatProvesAPolicy(t *testing.T) {
	strict := Erasure{Methods: []Method{EraseSecurely}, Disks: []DiskRule{{SerialNumber: "K", Keep: true}}}
	for name, c := range map[string]struct {
		policy Erasure
		wipe   Wipe
		// why is a part of the answer; empty: proved.
		why string
	}{
		"metadata":                      {Erasure{}, Wipe{Method: DidMetadata, Clean: true}, ""},
		"metadata after a discard":      {Erasure{}, Wipe{Method: DidDiscardAndMetadata, Clean: true}, ""},
		"dirty":                         {Erasure{}, Wipe{Method: DidMetadata, Message: "ext4"}, "ext4"},
		"dirty without a word":          {Erasure{}, Wipe{Method: DidMetadata}, "not clean"},
		"metadata is no erasure":        {strict, Wipe{Method: DidMetadata, Clean: true}, "secure-erase is asked for"},
		"overwrite is not secure erase": {strict, Wipe{Method: DidOverwrite, Clean: true}, "secure-erase is asked for"},
		"a word nobody knows":           {strict, Wipe{Method: "burn", Clean: true}, "secure-erase is asked for"},
		"nvme":                          {strict, Wipe{Method: DidNVMeSanitize, Clean: true}, ""},
		"format":                        {strict, Wipe{Method: DidNVMeFormat, Clean: true}, ""},
		"ata":                           {strict, Wipe{Method: DidATAEnhanced, Clean: true}, ""},
		"kept":                          {strict, Wipe{Disk: Disk{SerialNumber: "K"}, Method: DidKeep, Kept: true}, ""},
		"kept, and not to be":           {strict, Wipe{Method: DidKeep, Kept: true}, "should have been erased"},
		"erased, and to be kept":        {strict, Wipe{Disk: Disk{SerialNumber: "K"}, Method: DidATASecure, Clean: true}, "should have been kept"},
	} {
		if got := c.policy.Proves(c.wipe); (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%s: %q, want %q", name, got, c.why)
		}
	}
}

func TestPolicyInOneLine(t *testing.T) {
	for want, e := range map[string]Erasure{
		"":                       {Methods: []Method{EraseMetadata}},
		"metadata;serial:S=keep": {Disks: []DiskRule{{SerialNumber: "S", Keep: true}}},
		"secure-erase,overwrite;wwn:0x5=discard,metadata": {Methods: []Method{EraseSecurely, EraseOverwrite}, Disks: []DiskRule{{WWN: "0x5", Methods: []Method{EraseDiscard, EraseMetadata}}}},
	} {
		b, err := json.Marshal(e)
		var back Erasure
		if err != nil || json.Unmarshal(b, &back) != nil || !reflect.DeepEqual(e, back) || e.String() != want {
			t.Errorf("%q, %s, %v; want %q", e.String(), b, err, want)
		}
		if e.Slow() != strings.Contains(want, "overwrite") {
			t.Errorf("%q: slow is %v", want, e.Slow())
		}
	}
}
