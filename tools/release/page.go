package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// page is the web page that a program may have within it.
type page struct {
	// index is its HTML file, which names the scripts by digests of what is in them: a program that holds these bytes holds this page.
	index []byte
	parts []component
}

// readPage reads the built page, and from npm's lock what it is made of: what package.json depends on at run time, with what that needs. Build tools (dev) leave nothing of theirs in the page but a
// few lines of glue; they are not listed.
func readPage(built, lock string) (*page, error) {
	index, err := os.ReadFile(filepath.Join(built, "index.html"))
	if err != nil {
		return nil, fmt.Errorf("read the built web page: %w; `make web` builds it", err)
	}
	text, err := os.ReadFile(lock)
	if err != nil {
		return nil, fmt.Errorf("read what the web page is made of: %w", err)
	}
	var locked struct {
		Packages map[string]struct {
			Version, License, Integrity string
			Dev, DevOptional, Optional  bool
		}
	}
	if err := json.Unmarshal(text, &locked); err != nil {
		return nil, fmt.Errorf("read npm's lock %s: %w", lock, err)
	}
	p := &page{index: bytes.TrimSpace(index)}
	for _, place := range slices.Sorted(maps.Keys(locked.Packages)) {
		l := locked.Packages[place]
		// Below node_modules of another package stands a second version of one.
		i := strings.LastIndex(place, "node_modules/")
		if i < 0 || l.Dev || l.DevOptional || l.Optional {
			continue
		}
		c, err := npmPackage(place[i+len("node_modules/"):], l.Version, l.License, l.Integrity)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", lock, place, err)
		}
		p.parts = append(p.parts, c)
	}
	if len(p.index) == 0 || len(p.parts) == 0 {
		return nil, fmt.Errorf("%s or %s is empty: a web page is made of something", built, lock)
	}
	return p, nil
}

func npmPackage(name, version, license, integrity string) (component, error) {
	c := component{
		SPDXID: spdxID("npm", name, version), Name: name, VersionInfo: version, DownloadLocation: unknown, LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown,
		ExternalRefs: []reference{{"PACKAGE-MANAGER", "purl", "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + version}},
		Comment:      "in the web page; the checksum is of npm's archive",
	}
	if license != "" {
		c.LicenseDeclared = license
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(integrity, "sha512-"))
	if err != nil || len(sum) != 64 {
		return c, fmt.Errorf("integrity %q is no SHA-512: install it anew with npm", integrity)
	}
	c.Checksums = []checksum{{"SHA512", hex.EncodeToString(sum)}}
	return c, nil
}

// in says whether a program has the page within it, as Go embeds files: as they are.
func (p *page) in(program string) (bool, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return false, fmt.Errorf("look for the web page in %s: %w", program, err)
	}
	return bytes.Contains(text, p.index), nil
}
