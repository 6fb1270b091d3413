package imagebuild

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/lab/tiny"
)

// tinyName is the image's name; its sums file has ".sha256" behind it.
const tinyName = "tiny.raw.zst"

func tinyCommand(out io.Writer) *cobra.Command {
	var output string
	var mebibytes int64
	c := &cobra.Command{
		Use:   "build-tiny",
		Short: "Build an image of a few MiB for simulated machines",
		Long:  "Makes a disk image with a partition table, boot code and data, and no operating system: simulated machines run none.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			name, err := buildTiny(output, mebibytes)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(out, name)
			return err
		},
	}
	c.Flags().StringVar(&output, "output", "", "directory for the image and its sums file (required)")
	c.Flags().Int64Var(&mebibytes, "mebibytes", 64, "size of the disk image")
	_ = c.MarkFlagRequired("output")
	return c
}

func buildTiny(dir string, mebibytes int64) (string, error) {
	raw, err := tiny.Raw(tiny.Options{SizeBytes: mebibytes << 20})
	if err != nil {
		return "", err
	}
	packed, err := tiny.Zstd(raw)
	if err != nil {
		return "", fmt.Errorf("compress the tiny image: %w", err)
	}
	const dirMode, fileMode = 0o755, 0o644
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return "", fmt.Errorf("make the output directory: %w", err)
	}
	name := filepath.Join(dir, tinyName)
	sums := fmt.Sprintf("%x  %s\n", sha256.Sum256(packed), tinyName)
	if err := os.WriteFile(name, packed, fileMode); err != nil {
		return "", fmt.Errorf("write the tiny image: %w", err)
	}
	if err := os.WriteFile(name+".sha256", []byte(sums), fileMode); err != nil {
		return "", fmt.Errorf("write the sums of the tiny image: %w", err)
	}
	return name, nil
}
