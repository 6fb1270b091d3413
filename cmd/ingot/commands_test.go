package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// TestCommandsInText holds each line of README and docs/ that calls ingot, run by a test or not, to the commands and flags that there are.
func TestCommandsInText(t *testing.T) {
	files := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shell := false
		for _, line := range strings.Split(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
			if strings.HasPrefix(line, "```") {
				shell = strings.HasPrefix(line, "```sh")
				continue
			}
			line, _, _ = strings.Cut(line, " #")
			words := strings.Fields(strings.TrimPrefix(line, "bin/"))
			if !shell || len(words) == 0 || words[0] != "ingot" {
				continue
			}
			found++
			checkCommand(t, file, words)
		}
	}
	if found < 40 {
		t.Errorf("only %d lines call ingot: the test looks at the wrong ones", found)
	}
}

func checkCommand(t *testing.T, file string, words []string) {
	t.Helper()
	for i, w := range words {
		if w == "|" || w == "||" || w == "&&" || w == ">" || w == "<<END" || w == "…" {
			if w == "…" {
				words = append(words[:i:i], words[i+1:]...) // other flags
				checkCommand(t, file, words)
				return
			}
			words = words[:i]
			break
		}
	}
	c, rest, err := command(session.New(io.Discard, io.Discard)).Find(words[1:])
	if err != nil {
		t.Errorf("%s: %s: %v", file, strings.Join(words, " "), err)
		return
	}
	c.InitDefaultHelpFlag()
	if err := c.ParseFlags(rest); err != nil && !strings.Contains(err.Error(), "invalid argument") {
		t.Errorf("%s: %s: %v", file, strings.Join(words, " "), err)
	}
	if c.HasSubCommands() && len(c.Flags().Args()) > 0 && !c.Runnable() {
		t.Errorf("%s: %s: there is no such command below %s", file, strings.Join(words, " "), c.CommandPath())
	}
}
