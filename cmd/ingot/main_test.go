package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the scripts' golden files anew")

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"ingot": main}) }

// TestScripts runs the program as people do: each script is a session at a terminal, with the files of testdata/sites at hand.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			// No kubeconfig of whoever runs the tests.
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("KUBECONFIG", filepath.Join(e.WorkDir, "none"))
			e.Setenv("TZ", "UTC")
			if filepath.Base(e.WorkDir) == "script-node" {
				if err := serveDaemon(e); err != nil {
					return err
				}
			}
			sites, err := filepath.Glob("testdata/sites/*")
			if err != nil {
				return err
			}
			for _, site := range sites {
				text, err := os.ReadFile(site)
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(e.WorkDir, filepath.Base(site)), text, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code runs the program and holds it to an exit code: code 2 matrix lint FILE.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code CODE ARGUMENT...")
	}
	err := ts.Exec("ingot", args[1:]...)
	got := "0"
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = string(rune('0' + exit.ExitCode()))
	} else if err != nil {
		ts.Fatalf("ingot: %v", err)
	}
	if got != args[0] {
		ts.Fatalf("ingot ended with %s, want %s", got, args[0])
	}
}
