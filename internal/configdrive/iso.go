package configdrive

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// The writer of ISO 9660 (ECMA-119, second edition) with Rock Ridge names (IEEE P1282, draft 1.12): four folders and a handful of files, each file stored once and listed in two folders.

const (
	sectorBytes = 2048
	// Sectors: 16 of system area, primary descriptor, terminator, two path tables, four folders, the continuation area of the root.
	pvdSector    = 16
	pathLSector  = 18
	pathMSector  = 19
	rootSector   = 20
	dirSectors   = 4
	erSector     = rootSector + dirSectors
	fixedSectors = erSector + 1
)

type file struct {
	name    string
	content []byte
}

// stamp is the one time in the image: it says nothing of when it was made, so that equal content gives equal bytes. 1 January 2000, 00:00 UTC.
func stamp() []byte { return []byte{100, 1, 1, 0, 0, 0, 0} }

const longStamp = "2000010100000000\x00"

type entry struct {
	name   string
	sector int
	size   int
	dir    bool
}

func iso(files []file) []byte {
	at := fixedSectors
	listed := make([]entry, len(files))
	for i, f := range files {
		listed[i] = entry{name: f.name, sector: at, size: len(f.content)}
		at += sectors(len(f.content))
	}
	b := make([]byte, at*sectorBytes)
	copy(b[pvdSector*sectorBytes:], primaryDescriptor(at))
	copy(b[(pvdSector+1)*sectorBytes:], "\xffCD001\x01")
	// The folders: root, openstack, and in it the dated one and latest.
	folders := []entry{
		{"", rootSector, sectorBytes, true}, {"openstack", rootSector + 1, sectorBytes, true},
		{version, rootSector + 2, sectorBytes, true}, {"latest", rootSector + 3, sectorBytes, true},
	}
	copy(b[pathLSector*sectorBytes:], pathTable(folders, binary.LittleEndian))
	copy(b[pathMSector*sectorBytes:], pathTable(folders, binary.BigEndian))
	put := func(sector int, content []byte) { copy(b[sector*sectorBytes:], content) }
	put(rootSector, folder(folders[0], folders[0], folders[1:2]))
	put(rootSector+1, folder(folders[1], folders[0], folders[2:]))
	put(rootSector+2, folder(folders[2], folders[1], listed))
	put(rootSector+3, folder(folders[3], folders[1], listed))
	put(erSector, rockRidgeReference())
	for i, f := range files {
		put(listed[i].sector, f.content)
	}
	return b
}

func sectors(n int) int { return (n + sectorBytes - 1) / sectorBytes }

// both is a number in both byte orders (ECMA-119 section 7.3.3, 7.2.3).
func both32(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(n))
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func both16(n int) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(n))
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// primaryDescriptor is section 8.4 of ECMA-119; the positions in the comments are its own, counted from 1.
func primaryDescriptor(total int) []byte {
	d := bytes.Repeat([]byte{' '}, sectorBytes)
	zero := func(from, to int) { clear(d[from-1 : to]) }
	set := func(from int, b []byte) { copy(d[from-1:], b) }
	set(1, []byte("\x01CD001\x01\x00"))
	set(41, []byte(Label)) // lower case, as every reader of config drives expects
	zero(73, 80)
	set(81, both32(total))
	zero(89, 120)
	set(121, both16(1))
	set(125, both16(1))
	set(129, both16(sectorBytes))
	set(133, both32(len(pathTable(pathFolders(), binary.LittleEndian))))
	set(141, binary.LittleEndian.AppendUint32(nil, pathLSector))
	zero(145, 148)
	set(149, binary.BigEndian.AppendUint32(nil, pathMSector))
	zero(153, 156)
	set(157, record("\x00", entry{"", rootSector, sectorBytes, true}, nil))
	for _, at := range []int{814, 831} {
		set(at, []byte(longStamp))
	}
	for _, at := range []int{848, 865} {
		set(at, []byte("0000000000000000\x00"))
	}
	d[881] = 1
	d[882] = 0
	zero(884, sectorBytes)
	return d
}

func pathFolders() []entry {
	return []entry{{name: ""}, {name: "openstack"}, {name: version}, {name: "latest"}}
}

// pathTable is section 9.4: name length, extended attributes, sector, number of the parent, name.
func pathTable(folders []entry, order interface {
	AppendUint16([]byte, uint16) []byte
	AppendUint32([]byte, uint32) []byte
}) []byte {
	parents := []uint16{1, 1, 2, 2}
	var b []byte
	for i, f := range folders {
		id := isoName(f.name, true)
		if i == 0 {
			id = "\x00"
		}
		b = append(b, byte(len(id)), 0)
		b = order.AppendUint32(b, uint32(f.sector))
		b = order.AppendUint16(b, parents[i])
		b = append(b, id...)
		if len(id)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

// folder is the content of a folder: itself, its parent, and what it holds in the order of the names.
func folder(self, parent entry, children []entry) []byte {
	var own []byte
	if self.sector == rootSector {
		// SP says that Rock Ridge is in use; CE points to the record that names the standard, which does not fit here.
		own = append(own, 'S', 'P', 7, 1, 0xbe, 0xef, 0)
		own = append(own, 'C', 'E', 28, 1)
		own = append(own, both32(erSector)...)
		own = append(own, both32(0)...)
		own = append(own, both32(len(rockRidgeReference()))...)
	}
	b := record("\x00", self, append(own, attributes(true)...))
	b = append(b, record("\x01", parent, attributes(true))...)
	for _, c := range children {
		name := append([]byte{'N', 'M', byte(5 + len(c.name)), 1, 0}, c.name...)
		b = append(b, record(isoName(c.name, c.dir), c, append(name, attributes(c.dir)...))...)
	}
	return b
}

// attributes is PX: mode, links, owner, group, serial number. Only root may read it, since user data may hold secrets.
func attributes(dir bool) []byte {
	mode, links := 0o100400, 1
	if dir {
		mode, links = 0o040500, 2
	}
	b := []byte{'P', 'X', 44, 1}
	for _, n := range []int{mode, links, 0, 0, 0} {
		b = append(b, both32(n)...)
	}
	return b
}

// record is a directory record, section 9.1.
func record(id string, e entry, systemUse []byte) []byte {
	flags := byte(0)
	if e.dir {
		flags = 2
	}
	b := []byte{0, 0}
	b = append(b, both32(e.sector)...)
	b = append(b, both32(e.size)...)
	b = append(b, stamp()...)
	b = append(b, flags, 0, 0)
	b = append(b, both16(1)...)
	b = append(b, byte(len(id)))
	b = append(b, id...)
	if len(id)%2 == 0 {
		b = append(b, 0)
	}
	b = append(b, systemUse...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b[0] = byte(len(b))
	return b
}

// isoName is a name for readers without Rock Ridge: upper case, at most 31 characters, files with a version.
func isoName(name string, dir bool) string {
	name = strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if dir {
		return name
	}
	if !strings.Contains(name, ".") {
		name += "."
	}
	return name + ";1"
}

// rockRidgeReference is the ER record.
func rockRidgeReference() []byte {
	id := "IEEE_P1282"
	text := "THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS."
	source := "PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION."
	b := []byte{'E', 'R', byte(8 + len(id) + len(text) + len(source)), 1, byte(len(id)), byte(len(text)), byte(len(source)), 1}
	return append(b, id+text+source...)
}
