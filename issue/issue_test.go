package issue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/issue"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

const day = 24 * time.Hour

// well is a host with nothing wrong.
func well(n int) issue.Host {
	return issue.Host{
		Name: fmt.Sprintf("racks/h%d", n), CreatedAt: ago(30 * day), State: "available", Partition: "east", Size: "c1", Model: "ACME X1", BMCAddress: fmt.Sprintf("redfish://10.0.0.%d", n),
		BMC: fmt.Sprintf("uuid-%d 1", n), BootMAC: fmt.Sprintf("52:54:00:00:00:%02x", n), Recorded: true, Health: health.OK, InspectedAt: ago(10 * day), Firmware: map[string]string{"BIOS": "1", "BMC": "9"},
		Outcome: issue.Outcome{Reason: "Available", NextAttempt: ago(-time.Minute)},
	}
}

// fleet are three hosts that are well, of which the first is changed, and what else there is.
func fleet(change func(*issue.Host)) issue.Facts {
	f := issue.Facts{
		Sized: true, Hosts: []issue.Host{well(1), well(2), well(3)}, Partitions: []issue.Partition{{Name: "east", CreatedAt: ago(day), Served: true}},
		Reservations: []issue.Reservation{{Name: "r", Size: "c1", Amount: 3, Used: 1, Free: 2}},
		Machines:     []issue.Machine{{Name: "team/web", Image: "debian-12", ExpiredAt: ago(-day)}, {Name: "team/db", Image: "debian-13"}},
		Networks:     []issue.Network{{Name: "a/x", ASN: 4210000001, VRF: 1}, {Name: "a/y", ASN: 4210000002, VRF: 2}, {Name: "a/z"}, {Name: "a/w"}},
	}
	change(&f.Hosts[0])
	return f
}

// said is an issue in one line.
func said(all []issue.Issue) string {
	var lines []string
	for _, x := range all {
		since := "-"
		if !x.Since.IsZero() {
			since = now.Sub(x.Since).String()
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s: %s", x.Severity, x.ID, x.Name, since, x.Cause))
	}
	return strings.Join(lines, "\n")
}

func failure(kind, message string, count int) *issue.Failure {
	return &issue.Failure{Kind: kind, Message: message, Fix: "do this", Count: count, At: ago(time.Hour)}
}

// hosts are changes of one host of three, and the issues that come of them.
var hosts = map[string]struct {
	change func(*issue.Host)
	want   string
}{
	"nothing": {func(*issue.Host) {}, ""},
	"no partition": {func(h *issue.Host) { h.Recorded, h.Partition, h.Outcome = false, "", issue.Outcome{} },
		"major no-partition racks/h1 720h0m0s: it has no label ingot.dev/partition, and no partition has taken it by itself"},
	"not taken up": {func(h *issue.Host) { h.Recorded, h.Outcome = false, issue.Outcome{} }, "major no-life-cycle racks/h1 720h0m0s: partition east has made no HostLifecycle for it"},
	"new": {func(h *issue.Host) {
		h.Recorded, h.Outcome, h.CreatedAt, h.BMCAddress = false, issue.Outcome{}, ago(time.Minute), ""
	}, ""},
	"paused":        {func(h *issue.Host) { h.Left, h.Outcome.NextAttempt, h.SilentSince = true, ago(day), ago(day) }, ""},
	"nobody looks":  {func(h *issue.Host) { h.Outcome.NextAttempt = ago(30 * time.Minute) }, "major liveliness-unknown racks/h1 30m0s: it was to be looked at again at 2026-03-01T11:30:00Z"},
	"a little late": {func(h *issue.Host) { h.Outcome.NextAttempt = ago(19 * time.Minute) }, ""},
	"overdue": {func(h *issue.Host) {
		h.Outcome.Message, h.Outcome.Deadline = "waiting for the agent", ago(10*time.Minute)
	},
		"major overdue racks/h1 10m0s: waiting for the agent, until 2026-03-01T11:50:00Z"},
	"a deadline just over": {func(h *issue.Host) { h.Outcome.Deadline = ago(4 * time.Minute) }, ""},
	"silent":               {func(h *issue.Host) { h.SilentSince = ago(time.Hour) }, "major agent-silent racks/h1 1h0m0s: it last called before 2026-03-01T11:00:00Z"},
	"silent for a moment":  {func(h *issue.Host) { h.SilentSince = ago(time.Minute) }, ""},
	"no BMC":               {func(h *issue.Host) { h.BMCAddress, h.BMC, h.Outcome.Blocked, h.Outcome.Reason = "", "", true, "NoBMC" }, "major no-bmc racks/h1 720h0m0s: spec.bmc.address is empty"},
	"away":                 {func(h *issue.Host) { h.Failure = failure("Unreachable", "no answer", 1) }, "critical liveliness-dead racks/h1 1h0m0s: no answer"},
	"away for long": {func(h *issue.Host) { h.Failure = failure("Unreachable", "no answer", 7) },
		"critical liveliness-dead racks/h1 1h0m0s: no answer\nmajor crash-loop racks/h1 1h0m0s: 7 times in a row: no answer"},
	"login refused":       {func(h *issue.Host) { h.Failure = failure("Denied", "401", 1) }, "critical bmc-credentials-refused racks/h1 1h0m0s: 401"},
	"certificate refused": {func(h *issue.Host) { h.Failure = failure("Invalid", "the BMC's certificate is not trusted", 1) }, "critical bmc-certificate-refused racks/h1 1h0m0s: the BMC's certificate is not trusted"},
	"no secret": {func(h *issue.Host) {
		h.Outcome = issue.Outcome{Blocked: true, Reason: "CredentialsMissing", Message: "no Secret bmc", Since: ago(time.Hour)}
	},
		"major bmc-credentials-missing racks/h1 1h0m0s: no Secret bmc"},
	"half a secret": {func(h *issue.Host) {
		h.Outcome = issue.Outcome{Blocked: true, Reason: "CredentialsIncomplete", Message: "no password"}
	}, "major bmc-credentials-missing racks/h1 -: no password"},
	"blocked": {func(h *issue.Host) {
		h.Outcome = issue.Outcome{Blocked: true, Reason: "ImageInvalid", Message: "no checksum", Since: ago(time.Hour)}
	}, "major blocked racks/h1 1h0m0s: no checksum"},
	"blocked by a failure": {func(h *issue.Host) { h.Failure, h.Outcome.Blocked = failure("Unsupported", "no RAID", 1), true }, "major blocked racks/h1 1h0m0s: no RAID"},
	"failed once":          {func(h *issue.Host) { h.Failure = failure("Timeout", "too slow", 2) }, "minor last-step-failed racks/h1 1h0m0s: too slow"},
	"failed thrice": {func(h *issue.Host) { h.Failure = failure("Timeout", "too slow", 3) },
		"major crash-loop racks/h1 1h0m0s: 3 times in a row: too slow\nminor last-step-failed racks/h1 1h0m0s: too slow"},
	"an image again and again": {func(h *issue.Host) {
		h.ImageFailures, h.ImageMessage, h.Outcome.Since = 3, "wrong digest", ago(time.Hour)
	}, "major crash-loop racks/h1 1h0m0s: the image failed 3 times in a row: wrong digest"},
	"not taken back": {func(h *issue.Host) {
		h.State, h.Failure = "deprovisioning", failure("Internal", "the wipe broke off", 1)
	}, "critical failed-reclaim racks/h1 1h0m0s: the wipe broke off"},
	"not deleted":    {func(h *issue.Host) { h.State, h.Failure = "deleting", failure("Timeout", "x", 1) }, "critical failed-reclaim racks/h1 1h0m0s: x"},
	"not turned off": {func(h *issue.Host) { h.State, h.Failure = "powering off before delete", failure("Timeout", "x", 1) }, "critical failed-reclaim racks/h1 1h0m0s: x"},
	"a step failed":  {func(h *issue.Host) { h.LastFailed, h.LastFailedAt = "preparing raid: no", ago(time.Minute) }, "minor last-step-failed racks/h1 1m0s: preparing raid: no"},
	"wipes failed": {func(h *issue.Host) {
		h.FailedWipes = []issue.Wipe{{"/dev/sda S1", "frozen", ago(time.Hour)}, {"/dev/sdb", "ext4 is there", now}}
	}, "critical wipe-failed racks/h1 1h0m0s: /dev/sda S1: frozen; /dev/sdb: ext4 is there"},
	"TPM":               {func(h *issue.Host) { h.Refused, h.RefusedAt = "another key", ago(time.Hour) }, "critical tpm-refused racks/h1 1h0m0s: another key"},
	"leaked":            {func(h *issue.Host) { h.Leaked = "it is held for a/b, which is gone" }, "major host-leaked racks/h1 -: it is held for a/b, which is gone"},
	"copies":            {func(h *issue.Host) { h.Copies = "copies of a/b" }, "major copies-leaked racks/h1 -: copies of a/b"},
	"broken":            {func(h *issue.Host) { h.Health, h.HealthWhy, h.HealthSince = health.Critical, "fan 1", ago(time.Hour) }, "critical health-critical racks/h1 1h0m0s: fan 1"},
	"unwell":            {func(h *issue.Host) { h.Health, h.HealthWhy = health.Warning, "fan 2" }, "minor health-warning racks/h1 -: fan 2"},
	"burn-in":           {func(h *issue.Host) { h.BurnIn, h.BurnInAt = "processor 3", ago(time.Hour) }, "major burn-in-failed racks/h1 1h0m0s: processor 3"},
	"old":               {func(h *issue.Host) { h.InspectedAt = ago(200 * day) }, "minor evidence-outdated racks/h1 4800h0m0s: it was inspected 200 days ago"},
	"no size":           {func(h *issue.Host) { h.Size = "" }, "minor no-size racks/h1 240h0m0s: it was inspected and has no label ingot.dev/size"},
	"no size yet":       {func(h *issue.Host) { h.Size, h.InspectedAt = "", ago(time.Minute) }, ""},
	"never inspected":   {func(h *issue.Host) { h.Size, h.InspectedAt = "", time.Time{} }, ""},
	"from elsewhere":    {func(h *issue.Host) { h.Size, h.Elsewhere = "", true }, ""},
	"other firmware":    {func(h *issue.Host) { h.Firmware = map[string]string{"BIOS": "2", "BMC": "8"} }, "minor firmware-differs racks/h1 -: BIOS 2, where 2 hosts have 1; BMC 8, where 2 hosts have 9"},
	"another model's":   {func(h *issue.Host) { h.Model, h.Firmware = "ACME X2", map[string]string{"BIOS": "2"} }, ""},
	"firmware not told": {func(h *issue.Host) { h.Firmware = map[string]string{"BIOS": ""} }, ""},
	"one BMC address": {func(h *issue.Host) { h.BMCAddress = "Redfish://10.0.0.2/" },
		"critical bmc-shared racks/h1 -: the BMC address redfish://10.0.0.2 is also that of racks/h2\ncritical bmc-shared racks/h2 -: the BMC address redfish://10.0.0.2 is also that of racks/h1"},
	"one BMC by two addresses": {func(h *issue.Host) { h.BMC = "uuid-2 1" },
		"critical bmc-shared racks/h1 -: the BMC's machine uuid-2 1 is also that of racks/h2, by another address\ncritical bmc-shared racks/h2 -: the BMC's machine uuid-2 1 is also that of racks/h1, by another address"},
	"one BMC in both ways": {func(h *issue.Host) { h.BMC, h.BMCAddress = "uuid-2 1", "redfish://10.0.0.2" },
		"critical bmc-shared racks/h1 -: the BMC address redfish://10.0.0.2 is also that of racks/h2\ncritical bmc-shared racks/h2 -: the BMC address redfish://10.0.0.2 is also that of racks/h1"},
	"one MAC": {func(h *issue.Host) { h.BootMAC = "52:54:00:00:00:03" },
		"critical mac-shared racks/h1 -: 52:54:00:00:00:03 is also the boot MAC address of racks/h3\ncritical mac-shared racks/h3 -: 52:54:00:00:00:03 is also the boot MAC address of racks/h1"},
}

// others are changes of what is no host.
var others = map[string]struct {
	change func(*issue.Facts)
	want   string
}{
	"no role":     {func(f *issue.Facts) { f.Partitions[0].Served = false }, "major partition-unserved east 24h0m0s: its status has no endpoint"},
	"no role yet": {func(f *issue.Facts) { f.Partitions[0].Served, f.Partitions[0].CreatedAt = false, ago(time.Minute) }, ""},
	"no scan":     {func(f *issue.Facts) { f.Partitions[0].ScanProblem = "ranges overlap" }, "minor scan-impossible east -: ranges overlap"},
	"short":       {func(f *issue.Facts) { f.Reservations[0].Free = 1 }, "major reservation-short r -: 3 of size c1 are held back, 1 are in use, 1 are free"},
	"lost":        {func(f *issue.Facts) { f.Machines[0].Lost, f.Machines[0].Why = true, "somebody took it" }, "critical machine-lost team/web -: somebody took it"},
	"expired":     {func(f *issue.Facts) { f.Machines[0].ExpiredAt = ago(day) }, "minor image-expired team/web 24h0m0s: image debian-12 expired at 2026-02-28T12:00:00Z"},
	"waits": {func(f *issue.Facts) {
		f.Machines[1].Waits, f.Machines[1].WaitsFrom = "NoHost: none is free", ago(31*time.Minute)
	}, "major machine-waiting team/db 31m0s: NoHost: none is free"},
	"waits shortly": {func(f *issue.Facts) {
		f.Machines[1].Waits, f.Machines[1].WaitsFrom = "NoHost: none is free", ago(29*time.Minute)
	}, ""},
	"unwell": {func(f *issue.Facts) { f.Machines[1].Unwell, f.Machines[1].UnwellFrom = "Fan", ago(time.Hour) }, "minor machine-unwell team/db 1h0m0s: Fan"},
	"address": {func(f *issue.Facts) {
		f.IPs = []issue.IP{{Name: "team/x"}, {Name: "team/y", Leaked: "its Machine is gone"}}
	}, "minor address-leaked team/y -: its Machine is gone"},
	"no sizes":      {func(f *issue.Facts) { f.Sized, f.Hosts[0].Size = false, "" }, ""},
	"even firmware": {func(f *issue.Facts) { f.Hosts = f.Hosts[:2]; f.Hosts[0].Firmware = map[string]string{"BIOS": "2"} }, ""},
	"one ASN and one VRF": {func(f *issue.Facts) { f.Networks[1].ASN, f.Networks[1].VRF = 4210000001, 1 },
		"critical number-shared a/x -: ASN 4210000001 is also that of a/y; VRF 1 is also that of a/y\ncritical number-shared a/y -: ASN 4210000001 is also that of a/x; VRF 1 is also that of a/x"},
	"network waits": {func(f *issue.Facts) { f.Networks[2].NotReady, f.Networks[2].Since = "no parent", ago(time.Hour) }, "major network-not-ready a/z 1h0m0s: no parent"},
	"network new":   {func(f *issue.Facts) { f.Networks[2].NotReady, f.Networks[2].Since = "no parent", ago(time.Second) }, ""},
	"network full":  {func(f *issue.Facts) { f.Networks[2].Size = 14 }, "major network-full a/z -: all 14 are held or resting"},
	"few are free":  {func(f *issue.Facts) { f.Networks[2].Size, f.Networks[2].Free = 254, 24 }, "minor network-nearly-full a/z -: 24 of 254 are free"},
	"enough free":   {func(f *issue.Facts) { f.Networks[2].Size, f.Networks[2].Free = 254, 25 }, ""},
	"IPs": {func(f *issue.Facts) {
		f.IPs = []issue.IP{
			{Name: "team/ok", Address: "10.0.0.1", VRF: "red"}, {Name: "team/other", Address: "10.0.0.1", VRF: "blue"}, {Name: "team/new", Refused: "full", Since: ago(time.Second)},
			{Name: "team/none", Refused: "full", Since: ago(time.Hour)}, {Name: "team/old", Address: "10.0.0.2", Unowned: true, CreatedAt: ago(2 * day)}, {Name: "team/young", Unowned: true, CreatedAt: ago(time.Hour)},
			{Name: "team/a", Address: "10.0.0.3", VRF: "red"}, {Name: "team/b", Address: "10.0.0.3", VRF: "red"},
			{Name: "team/lost", Address: "10.0.0.4", Unrecorded: "no record has it", Since: ago(time.Hour)}, {Name: "team/just", Address: "10.0.0.5", Unrecorded: "no record has it", Since: ago(time.Second)},
			{Name: "team/gone", Orphaned: "10.0.0.6 is recorded"},
		}
	}, "critical address-shared team/a -: 10.0.0.3 in VRF red is also that of team/b\ncritical address-shared team/b -: 10.0.0.3 in VRF red is also that of team/a\n" +
		"critical address-unrecorded team/lost 1h0m0s: no record has it\nmajor address-refused team/none 1h0m0s: full\nminor address-orphaned team/gone -: 10.0.0.6 is recorded\nminor address-unowned team/old 48h0m0s: it is Ephemeral and has no owner"},
	"many of one BMC": {func(f *issue.Facts) {
		for i := range 5 {
			h := well(10 + i)
			h.BMCAddress = "redfish://10.0.0.1"
			f.Hosts = append(f.Hosts, h)
		}
		f.Hosts = f.Hosts[5:] // five of one BMC, h2 and h3 gone
	}, "critical bmc-shared racks/h12 -: the BMC address redfish://10.0.0.1 is also that of racks/h13, racks/h14\ncritical bmc-shared racks/h13 -: the BMC address redfish://10.0.0.1 is also that of racks/h12, racks/h14\ncritical bmc-shared racks/h14 -: the BMC address redfish://10.0.0.1 is also that of racks/h12, racks/h13"},
}

func TestFind(t *testing.T) {
	for name, c := range hosts {
		if d := cmp.Diff(c.want, said(issue.Find(fleet(c.change), now))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for name, c := range others {
		f := fleet(func(*issue.Host) {})
		c.change(&f)
		if d := cmp.Diff(c.want, said(issue.Find(f, now))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Every kind is found by some case above, has all of its words, and is found once of one subject.
func TestKinds(t *testing.T) {
	found := map[issue.ID]bool{}
	look := func(name string, f issue.Facts) {
		seen := map[string]bool{}
		for _, x := range issue.Find(f, now) {
			found[x.ID] = true
			if key := string(x.ID) + " " + x.Name; seen[key] {
				t.Errorf("%s: %s twice", name, key)
			} else {
				seen[key] = true
			}
			if x.Cause == "" || x.Remedy == "" || x.Reference == "" || x.Kind == "" || !slices.Contains(issue.Severities(), x.Severity) {
				t.Errorf("%s: %+v lacks words", name, x)
			}
		}
	}
	for name, c := range hosts {
		look(name, fleet(c.change))
	}
	for name, c := range others {
		f := fleet(func(*issue.Host) {})
		c.change(&f)
		look(name, f)
	}
	known := map[issue.ID]bool{}
	for _, k := range issue.Kinds() {
		if known[k.ID] || !found[k.ID] || k.Meaning == "" {
			t.Errorf("%s: known twice (%v), never found (%v), or without a meaning %q", k.ID, known[k.ID], !found[k.ID], k.Meaning)
		}
		known[k.ID] = true
	}
	for id := range found {
		if !known[id] {
			t.Errorf("%s is found and is no kind", id)
		}
	}
}

// The order of the facts is nothing to the answer.
func TestOrder(t *testing.T) {
	f := fleet(func(h *issue.Host) {
		h.BMCAddress, h.Failure, h.Size = "redfish://10.0.0.3", failure("Denied", "401", 5), ""
	})
	want := said(issue.Find(f, now))
	slices.Reverse(f.Hosts)
	slices.Reverse(f.Networks)
	if d := cmp.Diff(want, said(issue.Find(f, now))); d != "" {
		t.Error(d)
	}
	if !issue.Critical.AtLeast(issue.Major) || issue.Minor.AtLeast(issue.Major) || !issue.Major.AtLeast(issue.Major) {
		t.Error("the severities' order")
	}
}
