package trail_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/trail"
)

// writerDir tells this test's program that it is the process to be killed.
const writerDir = "INGOT_TEST_TRAIL_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled says each number once its entry is written.
func writeUntilKilled(dir string) {
	tr, err := trail.Open(options(dir))
	for i := 0; err == nil; i++ {
		if err = tr.Append(entry(fmt.Sprint(i)), audit.NeedWritten); err == nil {
			_, err = fmt.Println(i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestNothingIsLostToKill kills the writer again and again. All that it said to have written is there afterwards.
func TestNothingIsLostToKill(t *testing.T) {
	dir := t.TempDir()
	for life := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), writerDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := -1
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if said, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if said == 50+life*20 {
				break
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// What was said before the kill counts too.
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				said = n
			}
		}
		_ = cmd.Wait() // killed: an error
		found := strings.Fields(names(records(t, dir)))
		last, want := found[len(found)-1], said
		if n, err := strconv.Atoi(last); err != nil || n < want {
			t.Errorf("life %d: it said to have written %d, and the trail ends with %s", life, want, last)
		}
	}
	tr := open(t, options(dir))
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, dir)
}
