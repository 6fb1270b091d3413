package declared_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/role/declared"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "matrix.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The refusal's row, put into the file that the message says to start from in place of the built-in one, is what lets the role start.
func TestTheRowOfARefusalMendsIt(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:8099")
	refusal := socket.Bind(matrix.Boot, matrix.Builtin(), nil).MayListen(matrix.BMCToBootMedia, matrix.TCP, at)
	var missing *socket.PortError
	if !errors.As(refusal, &missing) {
		t.Fatalf("refusal %v", refusal)
	}
	own, err := document.Encode(matrix.Own())
	if err != nil {
		t.Fatal(err)
	}
	pasted := replaceRow(t, string(own), missing.Row.ID, refusal.Error())
	rows, err := declared.Rows(write(t, pasted))
	if err != nil {
		t.Fatalf("%v in\n%s", err, pasted)
	}
	b := socket.Bind(matrix.Boot, rows, nil)
	for _, port := range []string{"192.0.2.1:8099", "192.0.2.1:8081"} {
		if err := b.MayListen(matrix.BMCToBootMedia, matrix.TCP, netip.MustParseAddrPort(port)); err != nil {
			t.Error(err)
		}
	}
}

// replaceRow puts the row at the end of a message in the place of the one with the same ID, with the indentation of the list that it goes into.
func replaceRow(t *testing.T, document, id, message string) string {
	t.Helper()
	_, row, found := strings.Cut(message, "in which the row is\n")
	if !found {
		t.Fatalf("no row in %q", message)
	}
	lines := strings.Split(document, "\n")
	start, end, indent := -1, len(lines), ""
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case start < 0 && (trimmed == `- id: "`+id+`"` || trimmed == "- id: "+id || trimmed == "- id: '"+id+"'"):
			start, indent = i, line[:len(line)-len(trimmed)]
		case start >= 0 && end == len(lines) && strings.HasPrefix(line, indent+"- "):
			end = i
		}
	}
	if start < 0 {
		t.Fatalf("no row %s in\n%s", id, document)
	}
	var out []string
	out = append(out, lines[:start]...)
	for _, line := range strings.Split(strings.TrimRight(row, "\n"), "\n") {
		out = append(out, indent+strings.TrimPrefix(line, "  "))
	}
	return strings.Join(append(out, lines[end:]...), "\n")
}

func TestNoFileIsTheBuiltinMatrix(t *testing.T) {
	rows, err := declared.Rows("")
	if err != nil || len(rows) != len(matrix.Builtin()) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	for name, file := range map[string]string{
		"not there":    filepath.Join(t.TempDir(), "nothing.yaml"),
		"not a matrix": write(t, "kind: Pod\n"),
		"not YAML":     write(t, "{"),
	} {
		if _, err := declared.Rows(file); err == nil || !strings.Contains(err.Error(), "--matrix") || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
