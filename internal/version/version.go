// Package version says which build this is. The values are set by the linker (see Makefile); a build without them says "devel".
package version

import (
	"fmt"
	"runtime"
)

// Set by -ldflags "-X". Written at link time only, read-only afterwards.
//
// the linker's -X can set nothing but package-level strings
var (
	number = "devel"
	commit = "unknown"
)

// Info is what `ingot version` prints.
type Info struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Get gives this build's version.
func Get() Info {
	return Info{Version: number, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
}

// String is one line for people.
func (i Info) String() string {
	return fmt.Sprintf("ingot %s (%s, %s, %s)", i.Version, i.Commit, i.Go, i.Platform)
}
