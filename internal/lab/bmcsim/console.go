package bmcsim

import (
	"strconv"
	"strings"
)

// The host's serial output as OpenBMC shows it: one log entry a line.
const (
	consoleBytes = 256 << 10
	logPage      = 500
)

func (b *BMC) lines() []string {
	text := strings.TrimRight(string(b.machine.Console(consoleBytes)), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (b *BMC) listLogServices(c *call) reply {
	return ok(collection(c.path, "LogServiceCollection", "Log Services", b.logIDs()))
}

func (b *BMC) hostLogger(c *call) reply {
	return ok(resource(c.path, "#LogService.v1_7_0.LogService", "HostLogger", "Host Logger Service", doc{
		"ServiceEnabled": true, "OverWritePolicy": "WrapsWhenFull", "LogEntryType": "Oem", "Entries": ref(c.path + "/Entries"), "Status": healthy(),
	}))
}

func (b *BMC) listLogEntries(c *call) reply {
	lines := b.lines()
	from, err := strconv.Atoi(c.query.Get("$skip"))
	if err != nil || from < 0 {
		from = 0
	}
	from = min(from, len(lines))
	to := min(from+logPage, len(lines))
	members := []doc{}
	for i := from; i < to; i++ {
		members = append(members, entry(c.path, i, lines[i]))
	}
	d := doc{
		"@odata.id": c.path, "@odata.type": "#LogEntryCollection.LogEntryCollection", "Name": "Host Log Entries", "Members": members, "Members@odata.count": len(lines),
	}
	if to < len(lines) {
		d["Members@odata.nextLink"] = c.path + "?$skip=" + strconv.Itoa(to)
	}
	return ok(d)
}

func (b *BMC) logEntry(c *call) reply {
	lines := b.lines()
	n, err := strconv.Atoi(c.part)
	if err != nil || n < 0 || n >= len(lines) {
		return notFound(c)
	}
	return ok(entry(strings.TrimSuffix(c.path, "/"+c.part), n, lines[n]))
}

func entry(entries string, n int, line string) doc {
	id := strconv.Itoa(n)
	return resource(entries+"/"+id, "#LogEntry.v1_17_0.LogEntry", id, "Host Logger Entry", doc{
		"EntryType": "Oem", "OemRecordFormat": "Host Logger Entry", "Severity": "OK", "Message": strings.TrimRight(line, "\r"),
	})
}
