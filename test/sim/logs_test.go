package sim_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/test/sim/site"
)

// checkLogs: no log, the audit trail and the agents' logs included, holds the BMCs' password or a private key.
func checkLogs(t *testing.T, s *site.Site) {
	t.Helper()
	password := s.Lab.State().Password
	refused := map[string][]byte{
		"the BMCs' password": []byte(password), "the BMCs' password in base64": []byte(base64.StdEncoding.EncodeToString([]byte(password))), "a private key": []byte("PRIVATE KEY"),
	}
	files, trails := 0, false
	err := filepath.WalkDir(s.DataDir, func(path string, d fs.DirEntry, err error) error {
		trail := filepath.Base(filepath.Dir(path)) == "audit"
		if err != nil || d.IsDir() || !trail && !strings.Contains(path, "log") || strings.Contains(path, string(filepath.Separator)+"etcd"+string(filepath.Separator)) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		trails = trails || trail && len(text) > 0
		for what, secret := range refused {
			if i := bytes.Index(text, secret); i >= 0 {
				t.Errorf("%s holds %s: …%s…", path, what, text[max(0, i-120):i])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 4 || !trails {
		t.Errorf("only %d logs in %s (with an audit trail: %v): an API server, two roles and an audit trail write one each", files, s.DataDir, trails)
	}
}
