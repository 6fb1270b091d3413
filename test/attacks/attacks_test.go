package attacks_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the page anew")

// fewest is how many there have to be.
const fewest = 20

const root, page = "../..", "../../docs/attacks.md"

// attack is what somebody tries. test is a function of the package in folder, and words are of the step in which it is tried.
type attack struct{ name, gets, folder, test, words string }

const (
	mesh    = "mesh/test"
	console = "internal/role/console"
	shell   = "internal/cli/ssh"
	agents  = "internal/server/agentapi"
	invited = "internal/controller/machine"
)

// all are the attacks, by what is attacked.
func all() []attack {
	return []attack{
		{"A key of the mesh that was used", "no membership", mesh, "TestMesh", `try("used"`},
		{"A key of the mesh that ran out", "no membership", mesh, "TestMesh", `try("expired"`},
		{"A key of the mesh that was invented", "no membership", mesh, "TestMesh", `try("invented"`},
		{"A key of the mesh whose object was deleted", "no membership", mesh, "TestMesh", `try("void"`},
		{"Asking twice for one key of the mesh", "no second key", mesh, "TestMesh", "a second call for one MeshKey"},
		{"Asking for a key of the mesh with another role's certificate, or none", "no key", "internal/meshkey", "TestOnlyTheControllerAndOperatorsAreGivenKeys", "an operator's name without the group"},
		{"Asking by a token for another person's or a machine's key of the mesh, or without the right", "no key", mesh, "TestOperator", `a machine's", "Bearer "`},
		{"Reading a key of the mesh in objects, logs, stores, arguments", "nothing", mesh, "TestMesh", "keyIsNowhere"},
		{"Reading a machine's key of the mesh in the objects of its installation", "nothing", invited, "TestAFirewallIsInvitedIntoTheMesh", "keyIsInNoObject"},
		{"Using a machine's key of the mesh that was lost on its way", "it is void, and another one is told", invited, "TestAFirewallIsInvitedIntoTheMesh", "one that was lost and one that was told"},
		{"Being dialed in the place of a peer by its name", "names are refused", mesh, "TestMesh", "is no peer's address or key, and was dialed"},
		{"Going from member to member without a row of the matrix", "no answer", mesh, "TestMesh", "otherFirewall"},
		{"Having one's packets carried by the relay without being in the mesh", "no relaying", mesh, "TestMesh", "strangersAtTheRelay"},
		{"Staying in the mesh with a program that is too old", "the quarantine", mesh, "TestMesh", "who is too old reaches nobody"},
		{"Coming back after having been expelled", "an end, and no peer", mesh, "TestMesh", "who was expelled"},
		{"Squatting on a machine's name in the mesh", "nobody is taken for it", shell, "TestTarget", `"squatter"`},
		{"Being taken for a machine that was given back under the same name", "nobody is taken for it", shell, "TestTarget", `"earlier"`},
		{"Forcing SSH down to a public address", "no other address is tried", shell, "TestTarget", "no other address is tried"},
		{"An SSH host key that was forged", "no login", shell, "TestForgedHostKey", "a forged host key"},
		{"An SSH certificate of another machine", "no shell", shell, "TestCertificatesThatOpenNothing", `"another machine's"`},
		{"An SSH certificate that ran out", "no shell", shell, "TestCertificatesThatOpenNothing", `"expired"`},
		{"An SSH certificate of another authority", "no shell", shell, "TestCertificatesThatOpenNothing", `"another authority's"`},
		{"An SSH certificate for a shell at a console", "no console", console, "TestConsolesOverSSH", `"for a shell"`},
		{"The console of another tenant", "no console", console, "TestATenantSeesItsOwnTimeOnly", `"another project's"`},
		{"A shell on a machine, by its tenant or a stranger", "no certificate", console, "TestATenantSeesItsOwnTimeOnly", "w.shells(a"},
		{"A console after the machine was released", "an end, and nothing after it", console, "TestConsolesOverSSH", "the secret after the release"},
		{"A WebSocket that another site's page opens to a console, in the browser of somebody who is logged in", "no console", "internal/web/relay", "TestOtherSitesOpenNothing", "evil.example"},
		{"A console in the page after having logged out", "an end, and nothing after it", "internal/web/relay", "TestEachEndHasItsReason", "logged out"},
		{"A token for another audience at a console", "no console", console, "TestConsolesOverSSH", "a token for another audience at the console"},
		{"A stolen boot token, with another TPM", "no certificate", agents, "TestNeighbourWithTheTokenAndAnotherTPM", ""},
		{"A boot token that was used, with another key", "no certificate", agents, "TestEnrolmentIsGoodOnceForOneKey", ""},
		{"A boot token outside of its window", "no certificate", agents, "TestEnrolmentOutsideOfTheWindow", ""},
		{"The agent's certificate of an earlier boot", "no step", agents, "TestOnlyTheBootsOwnCertificateIsHeard", ""},
		{"A MAC address that nobody expects", "no answer of DHCP", "internal/server/dhcp", "TestSilenceOutsideOfWindows", "a stranger is answered"},
		{"Scanning the boot servers outside of a boot window", "no answer", "internal/role/boot", "TestScannedOutsideABootWindowNothingAnswers", ""},
		{"A stranger on the link, over IPv6", "no answer of DHCPv6", "internal/server/dhcp6", "TestAStrangerOnTheLinkHearsNothing", ""},
		{"A source address of the other side, through a firewall", "no packet arrives", "test/firewallgateway", "TestPacketsDoAsDeclared", "outsideLiar"},
		{"A BMC that shows another certificate than the pinned one", "no password", "internal/controller/host", "TestCertificateIsChanged", ""},
	}
}

// TestEachAttackHasItsTest holds the list to the tests, and the page to the list.
func TestEachAttackHasItsTest(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Attacks\n\nWhat a neighbour could try, and the test in which it is tried and gets nothing. This page is made of the list in `test/attacks` (`go test ./test/attacks -update`), which fails where a test is gone.\n\n" +
		"| | Attack | What it gets | Test |\n|---|---|---|---|\n")
	names := map[string]bool{}
	for i, a := range all() {
		if names[a.name] || a.name == "" || a.gets == "" {
			t.Errorf("the attack %q is there twice, or says too little", a.name)
		}
		names[a.name] = true
		there, words, err := look(a)
		switch {
		case err != nil:
			t.Errorf("%s: %v", a.name, err)
		case !there:
			t.Errorf("%s: there is no test %s in %s", a.name, a.test, a.folder)
		case !words:
			t.Errorf("%s: the tests of %s have nothing like %q", a.name, a.folder, a.words)
		}
		fmt.Fprintf(&b, "| %d | %s | %s | `%s` in `%s` |\n", i+1, a.name, a.gets, a.test, a.folder)
	}
	if len(names) < fewest {
		t.Errorf("%d attacks are listed, want %d at least", len(names), fewest)
	}
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil { // a page for everybody
			t.Fatal(err)
		}
		return
	}
	if text, err := os.ReadFile(page); err != nil || string(text) != b.String() {
		t.Errorf("%s is stale (%v): run the test with -update", page, err)
	}
}

// look reads a package's tests.
func look(a attack) (there, words bool, err error) {
	files, err := filepath.Glob(filepath.Join(root, a.folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		return false, false, fmt.Errorf("there are no tests in %s: %w", a.folder, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return false, false, err
		}
		words = words || strings.Contains(string(text), a.words)
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			return false, false, err
		}
		for _, d := range parsed.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && f.Name.Name == a.test {
				there = true
			}
		}
	}
	return there, words, nil
}
