package reference_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestLogKeys holds the page of log keys to the list that the linter refuses others by.
func TestLogKeys(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Enable   []string `json:"enable"`
			Settings struct {
				Sloglint struct {
					AllowedKeys []string `json:"allowed-keys"`
				} `json:"sloglint"`
			} `json:"settings"`
		} `json:"linters"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(config.Linters.Enable, "sloglint") {
		t.Error("the linter of log keys is off")
	}
	page, err := os.ReadFile(filepath.Join(folder, "log-keys.md"))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| \\S").FindAllSubmatch(page, -1) {
		told = append(told, string(row[1]))
	}
	if allowed := config.Linters.Settings.Sloglint.AllowedKeys; len(told) == 0 || !slices.Equal(told, allowed) {
		t.Errorf("docs/reference/log-keys.md and .golangci.yml differ:\npage   %q\nlinter %q", told, allowed)
	}
}
