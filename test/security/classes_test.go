// Package security names, for each class of published holes in systems like this one, the tests that try it here.
//
// It owns the list, and that what it names exists and runs. It refuses to repeat those tests. A hole that is published and fits no class gets a line, and a test
// that tries it where the code is.
package security

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// class is a kind of hole, the published ones of that kind, and the tests ("folder.TestName") that try it.
type class struct {
	name, published string
	tests           []string
}

func classes() []class {
	return []class{
		{"an image or a sums file that is a local file or device", "Ironic CVE-2025-44021, CVE-2026-44917, CVE-2026-44919", []string{
			"internal/install.TestBadHostsAreRefused", "internal/image.TestBadSourcesTouchNothing", "internal/image/fetch.TestPolicyOfAddresses"}},
		{"an image URL that leads to another scheme, or to a link-local service", "Ironic CVE-2026-42997", []string{"internal/image/fetch.TestRedirects", "internal/image/fetch.TestPolicyOfAddresses"}},
		{"credentials that follow a redirect", "Ironic CVE-2026-42997", []string{"internal/image/fetch.TestNoSecretTravelsToAnotherHost", "internal/image/fetch.TestErrorsShowNoSecret"}},
		{"a disk image that makes its reader open other files, or use memory without end", "Ironic CVE-2024-44082", []string{
			"internal/image/qcow2.TestHostileFiles", "internal/image/compression.TestRefusesWhatNeedsTooMuchMemoryOrIsUnknown"}},
		{"content that is used before its digest was checked", "Ironic CVE-2024-47211", []string{"internal/image.TestWrongDigestLeavesTheDiskUnbootable", "internal/image.TestTheTableComesLastOfAll"}},
		{"text of a user in a boot script or on a kernel's command line", "Ironic CVE-2026-46447", []string{"netboot.TestScriptRefusesTextOfOthers"}},
		{"tenant content that is run by the agent", "Ironic CVE-2026-43003, CVE-2026-54422", []string{"test/security.TestTheAgentRunsNoProgram"}},
		{"disks that keep a tenant's data", "Ironic CVE-2015-7514", []string{"internal/image/wipe.TestAWipeThatCannotBeProvedIsNotClean", "internal/agent.TestCleanFailsClosed", "lifecycle.TestStainedDisk"}},
		{"a reference to a Secret of another namespace", "Metal3 CVE-2024-43803, CVE-2025-29781, GHSA-rf84-wr5g-m3rp", []string{
			"config/policy.TestEverySecretReferenceStaysInItsNamespace", "internal/install.TestBootCannotReadABMCSecret", "internal/controller/hostnamespace.TestSecretsWhereHostsAre"}},
		{"an API that answers without asking who it is", "Metal3 GHSA-jwpr-9fwh-m4g7, GHSA-g2cm-9v5f-qg7r; MAAS CVE-2024-6107", []string{
			"internal/controlplane.TestNobodyIsAnonymous", "internal/server/agentapi.TestRefusalsTellNothing", "internal/server/agentapi.TestOnlyTheBootsOwnCertificateIsHeard"}},
		{"a password that parts share, or that stands in a ConfigMap", "Metal3 GHSA-9wh7-397j-722m", []string{"internal/install.TestPartitionHoldsSecretsAndChangesNone", "internal/install.TestRolesMayDoWhatTheMatrixSays"}},
		{"a user that makes itself an administrator", "MAAS CVE-2025-7044; wg-portal CVE-2026-27899", []string{"internal/install.TestTheAPIServerAllowsWhatTheTableSays", "matrix/access.TestTenantsStayInTheirProject", "internal/controller/hostendpoint.TestNobodySpeaksForAnother"}},
		{"an identity that is taken from a request, a name in a certificate, or a forwarding header", "Foreman CVE-2014-3691, CVE-2021-3469; AMI CVE-2023-34329", []string{
			"internal/pki.TestRequestNamesAreIgnored", "internal/pki.TestUsagesAreNotMixed", "internal/install.TestForeignCA", "test/security.TestNobodyTrustsForwardingHeaders"}},
		{"a MAC, address or UUID that is taken for a secret", "MAAS, Sidero, ironcore: the endpoints of their agents", []string{
			"internal/server/agentapi.TestEnrolmentIsGoodOnceForOneKey", "internal/server/agentapi.TestEnrolmentRace", "internal/server/dhcp.TestSilenceOutsideOfWindows",
			"internal/controller/host.TestAnotherMachinesAgentWipesNothing"}},
		{"a boot's token that a neighbour reads from the network", "MAAS, Tinkerbell, Ironic: what an agent on PXE is given travels in the clear", []string{
			"internal/server/agentapi.TestNeighbourWithTheTokenAndAnotherTPM", "internal/server/agentapi.TestNeighbourStealsTheHostsProof",
			"internal/attestation.TestNothingElseProvesIt", "internal/attestation.TestOnlyTemplatesAreRead", "internal/controller/host.TestTPMIsPinnedAndPinnedAgain"}},
		{"a template that a user writes", "Foreman CVE-2014-0192, CVE-2016-3728, CVE-2023-0118", []string{"test/security.TestNoTemplateOfAUser"}},
		{"a secret in a log, an error or an audit trail", "MAAS CVE-2015-1320", []string{"internal/secret.TestNothingShowsASecret", "internal/controlplane.TestAuditLog", "test/sim.TestMachinesAreProvisioned"}},
		{"a BMC that is not who it says, or that speaks an old protocol", "AMI CVE-2024-54085", []string{
			"internal/driver/bmc/redfish.TestCertificates", "internal/driver/bmc/redfish.TestOldTLS", "internal/driver/bmc/redfish.TestTransportIsTheSchemes"}},
	}
}

const root = "../.."

var update = flag.Bool("update", false, "write the page anew")

// TestPage holds docs/reference/holes.md to the list; make generate writes it (-update).
func TestPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Classes of known holes\n\nPublished holes of systems like this one, by class, and the tests that try each class here (`folder.TestName`).\n\n| class | published | tested by |\n|---|---|---|\n")
	for _, c := range classes() {
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", c.name, c.published, strings.Join(c.tests, "`, `"))
	}
	file := filepath.Join(root, "docs", "reference", "holes.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != b.String() {
		t.Errorf("%s is stale (%v): run make generate and commit", file, err)
	}
}

func TestEveryClassHasItsTests(t *testing.T) {
	for _, c := range classes() {
		if len(c.tests) == 0 || c.published == "" {
			t.Errorf("%s: no test tries it, or nothing published is named", c.name)
		}
		for _, name := range c.tests {
			folder, test, _ := strings.Cut(name, ".")
			if !declared(t, folder, test) {
				t.Errorf("%s: there is no %s in %s", c.name, test, folder)
			}
		}
	}
}

// declared says whether a folder's tests have one of that name that is not skipped.
func declared(t *testing.T, folder, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == test {
				return true
			}
		}
	}
	return false
}

func imports(file *ast.File, is func(path string) bool) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return is(strings.Trim(i.Path.Value, `"`)) })
}

// isForTests says whether a path is that of a package of suites and fakes for tests: tpmtest, disktest. Package attest is the product's.
func isForTests(imported string) bool {
	name := path.Base(imported)
	return strings.HasSuffix(name, "test") && name != "attest"
}

// sources calls do for each Go file of the product below the folders. Tests are left out, and what is made for tests, which imports their package and which the product must not import.
func sources(t *testing.T, do func(path string, file *ast.File), folders ...string) {
	t.Helper()
	seen := 0
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if imports(file, func(path string) bool { return path == "testing" }) {
				return nil
			}
			if imports(file, isForTests) {
				t.Errorf("%s imports a package for tests, which this test does not look at", path)
			}
			seen++
			do(path, file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 20 {
		t.Fatalf("only %d files below %v: the walk is wrong", seen, folders)
	}
}

// refuseImports fails for each file that imports one of these.
func refuseImports(t *testing.T, why string, imports []string, folders ...string) {
	t.Helper()
	sources(t, func(path string, file *ast.File) {
		for _, i := range file.Imports {
			for _, refused := range imports {
				if strings.Trim(i.Path.Value, `"`) == refused {
					t.Errorf("%s imports %s: %s", path, refused, why)
				}
			}
		}
	}, folders...)
}

// The agent and what it writes images with start no program: what it would run is a tenant's, or a parser of a tenant's content.
func TestTheAgentRunsNoProgram(t *testing.T) {
	refuseImports(t, "the agent runs nothing but itself", []string{"os/exec", "plugin"}, "internal/agent", "internal/image", "internal/configdrive", "cmd/ingot-agent")
}

// Boot scripts and configuration are written by code that knows what it escapes, never by a template that a user's text could be taken for.
func TestNoTemplateOfAUser(t *testing.T) {
	refuseImports(t, "a template makes code of text", []string{"text/template"}, "netboot", "internal/server", "internal/bootmedia", "internal/configdrive", "internal/agent", "internal/controller")
}

// Who a caller is comes from the connection. No server reads a header in which a proxy, or anybody, says something else.
func TestNobodyTrustsForwardingHeaders(t *testing.T) {
	sources(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			l, ok := n.(*ast.BasicLit)
			if !ok || l.Kind != token.STRING {
				return true
			}
			for _, header := range []string{"x-forwarded", "forwarded", "x-real-ip", "x-client-cert", "ssl-client"} {
				if strings.HasPrefix(strings.ToLower(strings.Trim(l.Value, "\"`")), header) {
					t.Errorf("%s has %s: a caller's word about who calls", path, l.Value)
				}
			}
			return true
		})
	}, "internal", "cmd")
}
