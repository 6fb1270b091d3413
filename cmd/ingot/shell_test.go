package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// TestCompletionInShells presses the tab key in bash, zsh and fish: each asks the program for what follows, and offers it.
func TestCompletionInShells(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// testscript runs the program instead of the tests where the file is called like it.
	if err := os.Symlink(self, filepath.Join(dir, "ingot")); err != nil {
		t.Fatal(err)
	}
	for shell, script := range map[string]string{
		"bash": `eval "$(ingot completion bash --no-descriptions)"
			_init_completion() { words=(ingot host li); cword=2; cur=li; prev=host; }
			__ltrim_colon_completions() { :; }
			COMP_WORDS=(ingot host li) COMP_CWORD=2 COMP_LINE="ingot host li" COMP_POINT=13 COMP_TYPE=9
			__start_ingot; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `ingot completion fish | source; complete --do-complete "ingot host li"`,
		"zsh": `autoload -U compinit; compinit -u -D; source <(ingot completion zsh)
			(( $+functions[_ingot] )) || exit 1
			_describe() { shift; print -l -- ${(P)${@[-1]}} ${(P)1}; }; compadd() { print -l -- "$@"; }
			words=(ingot host li); CURRENT=3; _ingot`,
	} {
		if _, err := exec.LookPath(shell); err != nil {
			t.Errorf("%v: install the packages of scripts/packages.txt (make packages)", err)
			continue
		}
		cmd := exec.CommandContext(t.Context(), shell, "-c", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_CONFIG_HOME="+dir, "KUBECONFIG="+filepath.Join(dir, "none"))
		out, err := cmd.CombinedOutput()
		words := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' || r == '\t' || r == ':' || r == ' ' })
		if err != nil || !slices.Contains(words, "list") || slices.Contains(words, "power") {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}

// TestPluginOfKubectl: by kubectl-ingot the help speaks of kubectl ingot, and by any other name of ingot.
func TestPluginOfKubectl(t *testing.T) {
	for program, want := range map[string]string{"/usr/bin/kubectl-ingot": "kubectl ingot host", "/usr/bin/ingot": "ingot host"} {
		var out bytes.Buffer
		root := command(session.New(&out, &out))
		callAs(root, program)
		root.SetArgs([]string{"host", "--help"})
		if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), "  "+want+" [command]") {
			t.Errorf("%s: %v\n%s", program, err, out.String())
		}
	}
}
