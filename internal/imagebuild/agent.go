// Package imagebuild is `ingot image`: building what machines boot and what is written to their disks.
//
// It owns the order of the build and its words on the terminal. It refuses the building itself: that is in agentimage (kernel and ramdisk), bootmedia (ISO and
// network files) and lab/debian (the demo's Debian). Invariant: a build whose inputs did not change does nothing and says so.
package imagebuild

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/agentimage"
	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/version"
	"github.com/ingotmetal/ingot/netboot"
)

// Command is `ingot image`.
func Command(out, errOut io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "image", Short: "Build what machines boot and what is written to their disks, and look at the catalog of images",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(agentCommand(out, errOut), debianCommand(out, errOut), tinyCommand(out))
	return c
}

// agentBuild is `ingot image build-agent` after its flags were read.
type agentBuild struct {
	agent, output, cache, flavour string
	// arguments are added to the kernel's command line on every way of booting.
	arguments []string
	progress  func(line string)
}

func agentCommand(out, errOut io.Writer) *cobra.Command {
	b := agentBuild{progress: func(line string) { fmt.Fprintln(errOut, line) }}
	c := &cobra.Command{
		Use:   "build-agent",
		Short: "Build the agent's kernel, ramdisk, ISO and network boot files",
		Long: "Packs Debian's kernel, the modules that servers need and the ingot-agent program into a ramdisk, and puts both on a\n" +
			"bootable ISO and beside the iPXE programs. Fetches Debian packages with apt-get download; installs nothing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := b.run(cmd.Context()); err != nil {
				return err
			}
			_, err := fmt.Fprintln(out, b.output)
			return err
		},
	}
	c.Flags().StringVar(&b.output, "output", "", "directory for the artifacts (required)")
	c.Flags().StringVar(&b.cache, "cache", "", "directory that keeps Debian packages between builds (required)")
	c.Flags().StringVar(&b.agent, "agent", "", "the ingot-agent program (default: beside this program)")
	c.Flags().StringVar(&b.flavour, "flavour", string(agentimage.Generic), "kernel: generic has the drivers of real servers, cloud starts faster in the lab")
	c.Flags().StringArrayVar(&b.arguments, "kernel-argument", nil, "add a word to the kernel's command line on every way of booting, like nomodeset or pci=noaer; may be repeated")
	_ = c.MarkFlagRequired("output")
	_ = c.MarkFlagRequired("cache")
	return c
}

func (b *agentBuild) run(ctx context.Context) error {
	if err := checkArguments(b.arguments); err != nil {
		return err
	}
	if b.agent == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the ingot-agent program: %w; name it with --agent", err)
		}
		b.agent = filepath.Join(filepath.Dir(self), "ingot-agent")
	}
	ramdisk, err := agentimage.Build(ctx, agentimage.Options{
		Agent: b.agent, CacheDir: filepath.Join(b.cache, "packages"), OutputDir: filepath.Join(b.cache, "ramdisk-"+b.flavour),
		Flavour: agentimage.Flavour(b.flavour), Progress: b.progress,
	})
	if err != nil {
		return err
	}
	const shownKey = 12
	line := ramdisk.Manifest.CommandLine
	line.Extra = b.arguments
	built := version.Get().Version + "+" + ramdisk.Manifest.Key[:shownKey] + argumentKey(b.arguments)
	if upToDate(b.output, built) {
		b.progress("boot media are up to date")
		return nil
	}
	b.progress("building the ISO and the network boot files")
	_, err = bootmedia.Build(ctx, bootmedia.Sources{
		Kernel: ramdisk.Kernel, Ramdisk: ramdisk.Ramdisk, Version: built,
		CommandLine: line, GRUB: bootmedia.DebianGRUB, IPXE: bootmedia.DebianIPXE,
	}, b.output)
	return err
}

// checkArguments refuses what a boot loader could read, and what is Ingot's own to set.
func checkArguments(all []string) error {
	if len(all) > netboot.MaxArguments {
		return fmt.Errorf("--kernel-argument: %d are given, at most %d are possible", len(all), netboot.MaxArguments)
	}
	for _, a := range all {
		if err := netboot.CheckArgument(a); err != nil {
			return fmt.Errorf("--kernel-argument: %w", err)
		}
	}
	return nil
}

// argumentKey tells builds with different arguments apart; without any it is empty.
func argumentKey(all []string) string {
	if len(all) == 0 {
		return ""
	}
	const shown = 4
	sum := sha256.Sum256([]byte(strings.Join(all, " ")))
	return "-" + hex.EncodeToString(sum[:shown])
}

// upToDate says whether the directory holds whole artifacts of this very build.
func upToDate(dir, built string) bool {
	made, err := bootmedia.Open(dir)
	if err != nil {
		return false
	}
	return made.Close() == nil && made.Version == built
}
