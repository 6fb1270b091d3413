package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/node/firstboot"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// firstBootCommand makes a Firewall's machine of what its config drive says.
func firstBootCommand(p *places, errOut io.Writer) *cobra.Command {
	var drive string
	c := &cobra.Command{
		Use:   "first-boot",
		Short: "Make this Firewall's machine its own identity by the one-time token on its config drive",
		Long: "Reads the config drive. Where it is a Firewall's, a key is made that never leaves this machine, and the one-time token is traded for a certificate of it; the options of\n" +
			"`ingot-node run` are written beside it, for ingot-firewall.service. It asks until it has the certificate, and does nothing where it has one. A machine that is no Firewall's is an error, and stays closed.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			place, options := enroll.Place{Dir: filepath.Join(p.state, "identity")}, filepath.Join(p.state, "firewall.env")
			if exist(place.Kubeconfig(), options) {
				return nil
			}
			log := slog.New(slog.NewTextHandler(errOut, nil))
			told, err := onDrive(drive)
			if err != nil {
				return err
			}
			dial := as(matrix.Firewall).DialContext(matrix.FirewallToPartition)
			if err := firstboot.Trade(c.Context(), told, firstboot.Options{Place: place, Dial: dial, Pause: 5 * time.Second, Log: log}); err != nil {
				return err
			}
			return pki.WriteFile(options, fmt.Appendf(nil, "INGOT_FIREWALL=%s/%s\nINGOT_MACHINE=%s\n", told.Namespace, told.Name, told.Machine), 0o600)
		},
	}
	c.Flags().StringVar(&drive, "drive", "", "directory where the config drive is mounted (default: the one with the label "+configdrive.Label+" is mounted for the reading)")
	return c
}

func exist(paths ...string) bool {
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return false
		}
	}
	return true
}

// onDrive reads the config drive, which is mounted for the moment where no directory is given.
func onDrive(dir string) (told firstboot.Told, err error) {
	if dir != "" {
		return firstboot.Read(dir)
	}
	device := filepath.Join("/dev/disk/by-label", configdrive.Label)
	if device, err = filepath.EvalSymlinks(device); err != nil {
		return told, fmt.Errorf("find the config drive: %w", err)
	}
	if dir, err = os.MkdirTemp("", "config-drive-"); err != nil {
		return told, err
	}
	defer func() { err = errors.Join(err, os.Remove(dir)) }()
	const flags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount(device, dir, "iso9660", flags, ""); err != nil {
		return told, fmt.Errorf("mount the config drive %s: %w", device, err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(dir, 0)) }()
	return firstboot.Read(dir)
}
