package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node/state"
)

func TestStateComesBackAndDamageIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	dir, err := state.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := dir.Read(); err != nil || !s.Confirmed.None() {
		t.Fatalf("an empty directory gives %+v, %v", s, err)
	}
	texts, err := dir.Keep(4, []string{"input"}, "install\n", "confirm\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Keep(3, nil, "older\n", "older too\n"); err != nil {
		t.Fatal(err)
	}
	want := state.State{Confirmed: guard.Confirmed{Version: guard.Version{Generation: 4, Digest: "d"}, By: "x"}, ConfirmedTexts: texts, Highest: 4}
	if err := dir.Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := dir.Read()
	if err != nil || got.Confirmed != want.Confirmed || got.Highest != 4 {
		t.Fatalf("read back %+v, %v", got, err)
	}
	if err := dir.Prune(got); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(path, "generation-*")); len(files) != 2 {
		t.Errorf("after Prune there are %v, want the two texts that count", files)
	}
	if text, err := dir.Text(got.ConfirmedTexts.Install); err != nil || text != "install\n" {
		t.Errorf("text %q, %v", text, err)
	}
	if err := os.WriteFile(filepath.Join(path, texts.Install.File), []byte("instal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Text(got.ConfirmedTexts.Install); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged text is read: %v", err)
	}
	if err := os.WriteFile(filepath.Join(path, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Read(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged state is read: %v", err)
	}
	if err := dir.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("Remove leaves %v", err)
	}
}
