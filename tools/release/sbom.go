package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// The members of SPDX 2.3 that are used (https://spdx.github.io/spdx-spec/v2.3/).
type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creation       `json:"creationInfo"`
	Packages          []component    `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type component struct {
	SPDXID           string      `json:"SPDXID"`
	Name             string      `json:"name"`
	VersionInfo      string      `json:"versionInfo,omitempty"`
	DownloadLocation string      `json:"downloadLocation"`
	FilesAnalyzed    bool        `json:"filesAnalyzed"`
	LicenseConcluded string      `json:"licenseConcluded"`
	LicenseDeclared  string      `json:"licenseDeclared"`
	CopyrightText    string      `json:"copyrightText"`
	Checksums        []checksum  `json:"checksums,omitempty"`
	ExternalRefs     []reference `json:"externalRefs,omitempty"`
	Comment          string      `json:"comment,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const unknown = "NOASSERTION"

// writeSBOM lists, from what the linker wrote into them, the modules that the programs are made of: those that are linked, not those that a go.mod names. A program with the web page in it has
// the page's packages, too.
func writeSBOM(file, version string, at time.Time, web *page, programs []string) error {
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: "ingot-" + version,
		DocumentNamespace: "https://github.com/ingotmetal/ingot/sbom/" + version, CreationInfo: creation{at.Format(time.RFC3339), []string{"Tool: ingot-tools-release"}},
	}
	modules := map[string]component{}
	slices.Sort(programs)
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return fmt.Errorf("read what %s is made of: %w", program, err)
		}
		digest, err := digestOf(program)
		if err != nil {
			return err
		}
		id := spdxID("Program", filepath.Base(program), "")
		d.Packages = append(d.Packages, component{
			SPDXID: id, Name: filepath.Base(program), VersionInfo: version, DownloadLocation: unknown, LicenseConcluded: "Apache-2.0", LicenseDeclared: "Apache-2.0", CopyrightText: unknown,
			Checksums: []checksum{{"SHA256", digest}}, Comment: "built by " + info.GoVersion,
		})
		d.Relationships = append(d.Relationships, relationship{d.SPDXID, "DESCRIBES", id})
		std := module("stdlib", info.GoVersion[len("go"):], "")
		modules[std.SPDXID] = std
		d.Relationships = append(d.Relationships, relationship{id, "CONTAINS", std.SPDXID})
		has, err := web.in(program)
		if err != nil {
			return err
		}
		if has {
			for _, c := range web.parts {
				modules[c.SPDXID] = c
				d.Relationships = append(d.Relationships, relationship{id, "CONTAINS", c.SPDXID})
			}
		}
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			if m.Version == "" || m.Version == "(devel)" { // a module of this repository
				continue
			}
			c := module(m.Path, m.Version, m.Sum)
			modules[c.SPDXID] = c
			d.Relationships = append(d.Relationships, relationship{id, "CONTAINS", c.SPDXID})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(modules)) {
		d.Packages = append(d.Packages, modules[id])
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func module(path, version, sum string) component {
	c := component{
		SPDXID: spdxID("Module", path, version), Name: path, VersionInfo: version, DownloadLocation: unknown, LicenseConcluded: unknown, LicenseDeclared: unknown, CopyrightText: unknown,
		ExternalRefs: []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + version}},
	}
	if sum != "" {
		c.Comment = "go.sum " + sum
	}
	return c
}

var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]`)

// spdxID is made of what the specification lets an identifier have. Two names that differ in other characters only get a digest's beginning to tell them apart.
func spdxID(kind, name, version string) string {
	id := name
	if version != "" {
		id += "-" + version
	}
	clean := notInID.ReplaceAllString(id, "-")
	sum := sha256.Sum256([]byte(id))
	return "SPDXRef-" + kind + "-" + clean + "-" + hex.EncodeToString(sum[:4])
}

func digestOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
