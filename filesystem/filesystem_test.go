package filesystem

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBadLayouts(t *testing.T) {
	if p := Check(server()); len(p) > 0 {
		t.Fatalf("the good one: %v", p)
	}
	const root, vars, esp, swap, tmp = 1, 0, 2, 4, 5 // in Filesystems
	for name, c := range map[string]struct {
		change func(l *Layout)
		field  string
	}{
		"nothing":                     {func(l *Layout) { *l = Layout{} }, "partitions"},
		"no file system":              {func(l *Layout) { l.Filesystems = nil }, "filesystems"},
		"too many partitions":         {func(l *Layout) { l.Partitions = make([]Partition, maxPartitions+1) }, "partitions"},
		"too many file systems":       {func(l *Layout) { l.Filesystems = make([]Filesystem, maxFilesystems+1) }, "filesystems"},
		"a partition without name":    {func(l *Layout) { l.Partitions[0].Name = "" }, "partitions[0].name"},
		"a name with a slash":         {func(l *Layout) { l.Partitions[0].Name = "a/b" }, "partitions[0].name"},
		"a name with a line break":    {func(l *Layout) { l.Partitions[0].Name = "a\n" }, "partitions[0].name"},
		"a long name":                 {func(l *Layout) { l.Partitions[0].Name = strings.Repeat("a", 37) }, "partitions[0].name"},
		"the config drive's name":     {func(l *Layout) { l.Partitions[0].Name = "config-2" }, "partitions[0].name"},
		"a name twice":                {func(l *Layout) { l.Partitions[0].Name = "root" }, "partitions[4].name"},
		"no type":                     {func(l *Layout) { l.Partitions[0].Type = "" }, "partitions[0].type"},
		"a type of sgdisk's":          {func(l *Layout) { l.Partitions[0].Type = "ef00" }, "partitions[0].type"},
		"RAID":                        {func(l *Layout) { l.Partitions[4].Type = "linux-raid" }, "partitions[4].type"},
		"two EFI partitions":          {func(l *Layout) { l.Partitions[2].Type = EFISystem }, "partitions[2].type"},
		"two BIOS partitions":         {func(l *Layout) { l.Partitions[2].Type = BIOSBoot }, "partitions[2].type"},
		"a negative size":             {func(l *Layout) { l.Partitions[2].SizeMiB = -1 }, "partitions[2].sizeMiB"},
		"an absurd size":              {func(l *Layout) { l.Partitions[2].SizeMiB = 1 << 60 }, "partitions[2].sizeMiB"},
		"rest in the middle":          {func(l *Layout) { l.Partitions[2].SizeMiB = 0 }, "partitions[2].sizeMiB"},
		"a small EFI partition":       {func(l *Layout) { l.Partitions[1].SizeMiB = 33 }, "partitions[1].sizeMiB"},
		"a partition without use":     {func(l *Layout) { l.Filesystems = l.Filesystems[1:] }, "filesystems"},
		"nothing at /":                {func(l *Layout) { l.Filesystems[root].Path = "/srv" }, "filesystems"},
		"no format":                   {func(l *Layout) { l.Filesystems[root].Format = "" }, "filesystems[1].format"},
		"btrfs":                       {func(l *Layout) { l.Filesystems[root].Format = "btrfs" }, "filesystems[1].format"},
		"no such partition":           {func(l *Layout) { l.Filesystems[root].Partition = "rot" }, "filesystems[1].partition"},
		"no partition":                {func(l *Layout) { l.Filesystems[root].Partition = "" }, "filesystems[1].partition"},
		"a device's path":             {func(l *Layout) { l.Filesystems[root].Partition = "/dev/sda4" }, "filesystems[1].partition"},
		"two in one":                  {func(l *Layout) { l.Filesystems[root].Partition = "var" }, "filesystems[1].partition"},
		"one in the BIOS's":           {func(l *Layout) { l.Filesystems[root].Partition = "bios" }, "filesystems[1].partition"},
		"ext4 for UEFI":               {func(l *Layout) { l.Filesystems[esp].Format = Ext4 }, "filesystems[2].format"},
		"swap on data":                {func(l *Layout) { l.Filesystems[vars].Format = Swap }, "filesystems[0].format"},
		"data on swap":                {func(l *Layout) { l.Filesystems[swap].Format = Ext4 }, "filesystems[4].format"},
		"a small xfs":                 {func(l *Layout) { l.Partitions[5].SizeMiB = 299 }, "filesystems[0].format"},
		"tmpfs in a partition":        {func(l *Layout) { l.Filesystems[tmp].Partition = "var" }, "filesystems[5].partition"},
		"tmpfs with a label":          {func(l *Layout) { l.Filesystems[tmp].Label = "tmp" }, "filesystems[5].label"},
		"tmpfs with create options":   {func(l *Layout) { l.Filesystems[tmp].CreateOptions = []string{"-m", "1"} }, "filesystems[5].createOptions"},
		"swap mounted":                {func(l *Layout) { l.Filesystems[swap].Path = "/swap" }, "filesystems[4].path"},
		"no path":                     {func(l *Layout) { l.Filesystems[vars].Path = "" }, "filesystems[0].path"},
		"a relative path":             {func(l *Layout) { l.Filesystems[vars].Path = "var" }, "filesystems[0].path"},
		"a path that climbs":          {func(l *Layout) { l.Filesystems[vars].Path = "/var/../etc" }, "filesystems[0].path"},
		"a path with dots":            {func(l *Layout) { l.Filesystems[vars].Path = "/var/.." }, "filesystems[0].path"},
		"a path with a slash":         {func(l *Layout) { l.Filesystems[vars].Path = "/var/" }, "filesystems[0].path"},
		"two slashes":                 {func(l *Layout) { l.Filesystems[vars].Path = "//var" }, "filesystems[0].path"},
		"a path with a blank":         {func(l *Layout) { l.Filesystems[vars].Path = "/var x" }, "filesystems[0].path"},
		"a path with a line break":    {func(l *Layout) { l.Filesystems[vars].Path = "/var\nx" }, "filesystems[0].path"},
		"a long path":                 {func(l *Layout) { l.Filesystems[vars].Path = "/" + strings.Repeat("a", 255) }, "filesystems[0].path"},
		"the same path":               {func(l *Layout) { l.Filesystems[vars].Path = "/boot" }, "filesystems[3].path"},
		"at /proc":                    {func(l *Layout) { l.Filesystems[vars].Path = "/proc" }, "filesystems[0].path"},
		"below /dev":                  {func(l *Layout) { l.Filesystems[vars].Path = "/dev/shm" }, "filesystems[0].path"},
		"a root of vfat":              {func(l *Layout) { l.Filesystems[root].Format = VFAT }, "filesystems[1].format"},
		"a root of tmpfs":             {func(l *Layout) { l.Filesystems[tmp].Path = "/" }, "filesystems[5].path"},
		"/etc in memory":              {func(l *Layout) { l.Filesystems[tmp].Path = "/etc" }, "filesystems[5].path"},
		"/boot in memory":             {func(l *Layout) { l.Filesystems[tmp].Path = "/boot/grub" }, "filesystems[5].path"},
		"/boot as vfat":               {func(l *Layout) { l.Filesystems[3].Format = VFAT }, "filesystems[3].format"},
		"a long label":                {func(l *Layout) { l.Filesystems[root].Label = strings.Repeat("a", 17) }, "filesystems[1].label"},
		"a long label for xfs":        {func(l *Layout) { l.Filesystems[vars].Label = strings.Repeat("a", 13) }, "filesystems[0].label"},
		"a long label for vfat":       {func(l *Layout) { l.Filesystems[esp].Label = strings.Repeat("a", 12) }, "filesystems[2].label"},
		"a label with a blank":        {func(l *Layout) { l.Filesystems[root].Label = "a b" }, "filesystems[1].label"},
		"two mount options in one":    {func(l *Layout) { l.Filesystems[root].MountOptions = []string{"ro,noexec"} }, "filesystems[1].mountOptions"},
		"an option with a blank":      {func(l *Layout) { l.Filesystems[root].MountOptions = []string{"ro 0 0\nx"} }, "filesystems[1].mountOptions"},
		"an empty option":             {func(l *Layout) { l.Filesystems[root].MountOptions = []string{""} }, "filesystems[1].mountOptions"},
		"a file for mkfs":             {func(l *Layout) { l.Filesystems[root].CreateOptions = []string{"-d", "/etc"} }, "filesystems[1].createOptions"},
		"an option without value":     {func(l *Layout) { l.Filesystems[root].CreateOptions = []string{"-m"} }, "filesystems[1].createOptions"},
		"a value that is an option":   {func(l *Layout) { l.Filesystems[root].CreateOptions = []string{"-m", "-F"} }, "filesystems[1].createOptions"},
		"a value that is a path":      {func(l *Layout) { l.Filesystems[root].CreateOptions = []string{"-E", "/etc"} }, "filesystems[1].createOptions"},
		"a journal elsewhere":         {func(l *Layout) { l.Filesystems[root].CreateOptions = []string{"-J", "device=UUID=1"} }, "filesystems[1].createOptions"},
		"xfs in a file":               {func(l *Layout) { l.Filesystems[vars].CreateOptions = []string{"-d", "file=1"} }, "filesystems[0].createOptions"},
		"xfs with a UUID":             {func(l *Layout) { l.Filesystems[vars].CreateOptions = []string{"-m", "uuid=1"} }, "filesystems[0].createOptions"},
		"a long option":               {func(l *Layout) { l.Filesystems[root].CreateOptions = []string{"--help", "x"} }, "filesystems[1].createOptions"},
		"ext4's option for vfat":      {func(l *Layout) { l.Filesystems[esp].CreateOptions = []string{"-O", "x"} }, "filesystems[2].createOptions"},
		"nothing that firmware boots": {func(l *Layout) { l.Partitions, l.Filesystems = l.Partitions[4:], l.Filesystems[:2] }, "partitions"},
	} {
		l := copyOf(server())
		c.change(&l)
		problems := Check(l)
		found := false
		for _, p := range problems {
			found = found || p.Field == c.field
		}
		if !found {
			t.Errorf("%s: %v, want one at %s", name, problems, c.field)
		}
		if _, err := Make(l, Target{SizeBytes: 1 << 40, SectorBytes: 512, UEFI: true}); err == nil {
			t.Errorf("%s: it is planned", name)
		}
	}
}

func TestAPlanInBytes(t *testing.T) {
	p, err := Make(server(), Target{SizeBytes: 10 << 30, SectorBytes: 512, UEFI: true, TailBytes: 3 << 20, Seed: "s"})
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]int64
	for _, one := range p.Partitions {
		got = append(got, [2]int64{one.OffBytes / mib, one.SizeBytes / mib})
	}
	if want := [][2]int64{{1, 1}, {2, 100}, {102, 500}, {602, 256}, {858, 2000}, {2858, 10240 - 4 - 2858}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var order []string
	for _, m := range p.Mounts {
		order = append(order, m.Path)
	}
	if strings.Join(order, " ") != "/ /boot /var /boot/efi" {
		t.Errorf("mounted in the order %v", order)
	}
	if m := p.EFI(); m == nil || m.Path != "/boot/efi" || len(m.ID) != 9 || p.BIOSBoot().Number != 1 {
		t.Errorf("%+v, %+v", m, p.BIOSBoot())
	}
	for name, want := range map[string][2]string{"/boot/vmlinuz": {"/boot", "/vmlinuz"}, "/boot/efi/EFI": {"/boot/efi", "/EFI"}, "/etc/fstab": {"/", "/etc/fstab"}, "/boot": {"/boot", "/"}, "/bootx": {"/", "/bootx"}, "/": {"/", "/"}} {
		if m, inside := p.Holding(name); m.Path != want[0] || inside != want[1] {
			t.Errorf("%s is %s in %s", name, inside, m.Path)
		}
	}
	fstab := p.Fstab()
	for _, line := range []string{
		"UUID=" + p.Mounts[0].ID + " / ext4 defaults 0 1\n", "UUID=" + p.Mounts[2].ID + " /var xfs noatime 0 0\n", " /boot/efi vfat umask=0077 0 2\n", " none swap defaults 0 0\n", "tmpfs /tmp tmpfs size=1G 0 0\n",
	} {
		if !strings.Contains(fstab, line) {
			t.Errorf("fstab lacks %q:\n%s", line, fstab)
		}
	}
	other, err := Make(server(), Target{SizeBytes: 10 << 30, SectorBytes: 512, UEFI: true, TailBytes: 3 << 20, Seed: "other"})
	if err != nil || other.Mounts[0].ID == p.Mounts[0].ID {
		t.Errorf("another seed gives the same identifiers: %v", err)
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		change func(l *Layout, g *Target)
		text   string
	}{
		"a small disk":       {func(_ *Layout, g *Target) { g.SizeBytes = 1 << 30 }, "too small"},
		"no room for xfs":    {func(_ *Layout, g *Target) { g.SizeBytes = 3000 * mib }, "xfs needs"},
		"sectors of 520":     {func(_ *Layout, g *Target) { g.SectorBytes = 520 }, "520"},
		"UEFI without ESP":   {func(l *Layout, _ *Target) { l.Partitions[1].Type = Linux }, "no partition of type efi-system"},
		"BIOS without place": {func(l *Layout, g *Target) { g.UEFI = false; l.Partitions = l.Partitions[1:] }, "no partition of type bios-boot"},
		"a large tail":       {func(_ *Layout, g *Target) { g.TailBytes = 9 << 30 }, "too small"},
	} {
		l, g := server(), Target{SizeBytes: 10 << 30, SectorBytes: 512, UEFI: true}
		c.change(&l, &g)
		if _, err := Make(l, g); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// drawLayout draws layouts that are right in form.
func drawLayout(t *rapid.T) Layout {
	var l Layout
	sizes := rapid.SliceOfN(rapid.Int64Range(300, 5000), 1, 8).Draw(t, "sizes")
	l.Partitions = append(l.Partitions, Partition{Name: "bios", Type: BIOSBoot, SizeMiB: rapid.Int64Range(1, 8).Draw(t, "bios")})
	l.Partitions = append(l.Partitions, Partition{Name: "esp", Type: EFISystem, SizeMiB: rapid.Int64Range(minEFIMiB, 512).Draw(t, "esp")})
	l.Filesystems = append(l.Filesystems, Filesystem{Partition: "esp", Format: VFAT, Path: "/boot/efi"})
	for i, size := range sizes {
		name := "p" + string(rune('a'+i))
		f := Filesystem{Partition: name, Format: rapid.SampledFrom([]Format{Ext4, XFS}).Draw(t, "format"), Path: "/" + name}
		if i == 0 {
			f.Path = "/"
		}
		if i == len(sizes)-1 && rapid.Bool().Draw(t, "rest") {
			size = 0
		}
		l.Partitions = append(l.Partitions, Partition{Name: name, Type: Linux, SizeMiB: size})
		l.Filesystems = append(l.Filesystems, f)
	}
	return l
}

func TestPlansHoldTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLayout(t)
		target := Target{
			SizeBytes: rapid.Int64Range(1<<20, 64<<30).Draw(t, "disk") / 4096 * 4096, SectorBytes: rapid.SampledFrom([]int{512, 4096}).Draw(t, "sector"),
			UEFI: rapid.Bool().Draw(t, "UEFI"), TailBytes: rapid.Int64Range(0, 16<<20).Draw(t, "tail"), Seed: "s",
		}
		p, err := Make(l, target)
		asked := int64(0)
		for _, one := range l.Partitions {
			asked += one.SizeMiB
		}
		if err != nil {
			if target.SizeBytes-target.TailBytes > (asked+300+4)*mib {
				t.Fatalf("a disk of %d bytes refuses %d MiB: %v", target.SizeBytes, asked, err)
			}
			return
		}
		end := int64(mib)
		ids := map[string]bool{}
		for i, one := range p.Partitions {
			if one.Number != i+1 || one.OffBytes != end || one.OffBytes%mib != 0 || one.SizeBytes < mib || one.SizeMiB != 0 && one.SizeBytes != one.SizeMiB*mib {
				t.Fatalf("%+v does not begin at %d", one, end)
			}
			end = one.OffBytes + one.SizeBytes
		}
		if end > target.SizeBytes-target.TailBytes-34*int64(target.SectorBytes) {
			t.Fatalf("the partitions end at %d of %d", end, target.SizeBytes)
		}
		for i, m := range p.Mounts {
			if ids[m.ID] {
				t.Fatalf("%s is used twice", m.ID)
			}
			ids[m.ID] = true
			for _, later := range p.Mounts[i+1:] {
				if under(m.Path, later.Path) {
					t.Fatalf("%s is mounted before %s", m.Path, later.Path)
				}
			}
		}
		if again, err := Make(l, target); err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("planned twice, it is another plan: %v", err)
		}
	})
}

func FuzzLayout(f *testing.F) {
	good, err := json.Marshal(server())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, int64(10<<30), true)
	f.Add([]byte(`{"partitions":[{"name":"a","type":"bios-boot","sizeMiB":1},{"name":"r","type":"linux"}],"filesystems":[{"partition":"r","format":"ext4","path":"/"}]}`), int64(1<<30), false)
	f.Fuzz(func(t *testing.T, body []byte, size int64, uefi bool) {
		var l Layout
		if json.Unmarshal(body, &l) != nil {
			return
		}
		p, err := Make(l, Target{SizeBytes: size, SectorBytes: 512, UEFI: uefi})
		if err != nil {
			return
		}
		for _, one := range p.Partitions {
			if one.OffBytes < mib || one.SizeBytes < mib || one.OffBytes+one.SizeBytes > size-mib {
				t.Fatalf("%s: %+v", body, one)
			}
		}
		if lines := strings.Count(p.Fstab(), "\n"); lines != 1+len(l.Filesystems) {
			t.Fatalf("%s: fstab has %d lines:\n%s", body, lines, p.Fstab())
		}
	})
}

func TestTheStandardLayout(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		for _, uefi := range []bool{true, false} {
			p, err := Make(Standard(), Target{SizeBytes: 8 << 30, SectorBytes: sector, UEFI: uefi, TailBytes: 2 << 20, Seed: "s"})
			if err != nil {
				t.Fatal(err)
			}
			p.Becomes(XFS, "the-image's")
			if root, _ := p.Holding("/boot/vmlinuz"); root.Format != XFS || root.ID != "the-image's" || p.Partitions[root.Number-1].SizeBytes < 7<<30 {
				t.Errorf("the root is %+v", root)
			}
		}
	}
	if p := CheckForImage(Standard()); len(p) != 0 {
		t.Error(p)
	}
}

func TestALayoutForAnImage(t *testing.T) {
	for field, change := range map[string]func(l *Layout){
		"filesystems[1].createOptions": func(l *Layout) { l.Filesystems[1].CreateOptions = []string{"-m", "1"} },
		"filesystems[1].label":         func(l *Layout) { l.Filesystems[1].Label = "root" },
		"filesystems[2].path": func(l *Layout) {
			l.Filesystems = append(l.Filesystems, Filesystem{Partition: "bios", Format: Ext4, Path: "/boot"})
		},
	} {
		l := Standard()
		change(&l)
		if p := CheckForImage(l); len(p) != 1 || p[0].Field != field {
			t.Errorf("%s: %v", field, p)
		}
	}
}
