// Command write writes the documentation's site into a folder: make docs.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/docs"
	"github.com/ingotmetal/ingot/internal/docsite"
)

func main() {
	output := flag.String("output", "dist/site", "folder that the site is written to; what is there is removed first")
	flag.Parse()
	if err := run(*output); err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}

func run(output string) error {
	s, err := docsite.Load(docs.Pages)
	if err != nil {
		return err
	}
	files, err := s.Files()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(output); err != nil {
		return err
	}
	for name, text := range files {
		file := filepath.Join(output, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "%d files in %s\n", len(files), output)
	return nil
}
