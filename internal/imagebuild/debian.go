package imagebuild

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/lab/debian"
)

func debianCommand(out, errOut io.Writer) *cobra.Command {
	var output, cache, mirror string
	var packages []string
	c := &cobra.Command{
		Use:   "build-debian",
		Short: "Build the Debian 12 image that the demo and the end-to-end tests provision",
		Long: "Makes a real Debian 12 with cloud-init, bootable by BIOS and UEFI, with Debian's own tools and no loop devices.\n" +
			"Takes one to two minutes the first time; the result is cached. Links the image, the same system as an archive of its root file system, and\n" +
			"their sums files into the output directory.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			made, err := debian.Build(cmd.Context(), debian.Options{
				CacheDir: filepath.Join(cache, "debian"), Mirror: mirror, Files: packages,
				Progress: func(line string) { fmt.Fprintln(errOut, line) },
			})
			if err != nil {
				return err
			}
			if err := publish(output, made.Path, made.SHA256Path, made.TarPath, made.TarPath+".sha256"); err != nil {
				return err
			}
			_, err = fmt.Fprintln(out, filepath.Join(output, debian.FileName))
			return err
		},
	}
	c.Flags().StringVar(&output, "output", "", "directory for the image and its sums file (required)")
	c.Flags().StringVar(&cache, "cache", "", "directory that keeps built images (required)")
	c.Flags().StringVar(&mirror, "mirror", "", "Debian mirror (default: mmdebstrap's)")
	c.Flags().StringSliceVar(&packages, "package", nil, "Debian package file to install over it, for example ingot-firewall's (repeatable)")
	_ = c.MarkFlagRequired("output")
	_ = c.MarkFlagRequired("cache")
	return c
}

// publish links files into a directory, in the place of older ones of their names.
func publish(dir string, files ...string) error {
	const mode = 0o755
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	for _, f := range files {
		target := filepath.Join(dir, filepath.Base(f))
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replace %s: %w", target, err)
		}
		if err := os.Link(f, target); err != nil {
			return fmt.Errorf("publish %s: %w", target, err)
		}
	}
	return nil
}
