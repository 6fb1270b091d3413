package lab

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/qemu"
)

// flags are the command's, before they are read.
type flags struct {
	machines             int
	simulated, virtual   bool
	onNetwork            bool
	dataDir, diskSize    string
	diskBus, firmware    string
	boot, faults         string
	protocol             string
	namespace, partition string
	capture              string
	disks, memory, cpus  int
	nics                 int
	seed                 uint64
	verbose, tpm         bool
}

// Command is "ingot lab".
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "lab",
		Short: "Run machines without hardware: virtual or simulated, each behind a simulated BMC",
		Long: `Run machines without hardware: virtual or simulated, each behind a simulated BMC that speaks Redfish over TLS.

Needs no privilege. Virtual machines (--qemu) hang on a network in user space, which the roles join with the addresses
in lab.json; simulated machines run the real agent in this process, on loopback. hosts.yaml in the data directory makes
the hosts: kubectl apply -f <data-dir>/hosts.yaml. A lab started again in the same directory has the same machines.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options(slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: f.level()})))
			if err != nil {
				return err
			}
			return run(c, o)
		},
	}
	set := c.Flags()
	set.IntVar(&f.machines, "machines", 1, "number of machines")
	set.BoolVar(&f.simulated, "simulated", false, "simulated machines (default)")
	set.BoolVar(&f.virtual, "qemu", false, "virtual machines under QEMU")
	set.BoolVar(&f.onNetwork, "on-network", false, "put simulated machines on the lab's network instead of loopback; implied by --boot pxe")
	set.StringVar(&f.dataDir, "data-dir", "", "directory for disks, logs and state (required)")
	set.StringVar(&f.diskSize, "disk-size", "8GiB", "size of each disk")
	set.StringVar(&f.diskBus, "disk-bus", string(qemu.NVMe), "bus of a virtual machine's first disk: nvme, virtio, scsi, ahci")
	set.IntVar(&f.disks, "disks", 2, "disks of a machine")
	set.StringVar(&f.firmware, "firmware", "uefi", "firmware of virtual machines: uefi, bios")
	set.StringVar(&f.boot, "boot", "", "how hosts.yaml lets the agent be booted: virtual-media (default with redfish), pxe (default with ipmi)")
	set.StringVar(&f.protocol, "bmc", string(bmc.Redfish), "what the BMC addresses in hosts.yaml speak: redfish, ipmi (implies --boot pxe)")
	set.BoolVar(&f.tpm, "tpm", false, "give virtual machines a TPM 2.0 in software (needs swtpm)")
	set.IntVar(&f.nics, "nics", 1, "network cards of a virtual machine; each beyond the first is on a network of its own (segments in lab.json)")
	set.IntVar(&f.memory, "memory", 512, "memory of a virtual machine in MiB")
	set.IntVar(&f.cpus, "cpus", 1, "processors of a virtual machine")
	set.StringVar(&f.namespace, "namespace", "default", "namespace of the hosts in hosts.yaml")
	set.StringVar(&f.partition, "partition", "", "partition of the hosts in hosts.yaml")
	set.StringVar(&f.faults, "faults", "", "misbehaviour, for example errors=0.05,slow=200ms; see below")
	set.Uint64Var(&f.seed, "seed", 1, "seed of the faults")
	set.StringVar(&f.capture, "capture", "", "file for all frames of the network, in pcap format")
	set.BoolVarP(&f.verbose, "verbose", "v", false, "log details")
	c.Long += "\n\nFaults: " + faultHelp() + "."
	return c
}

func (f flags) level() slog.Level {
	if f.verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func (f flags) options(log *slog.Logger) (Options, error) {
	o := Options{
		OnNetwork: f.onNetwork,
		Kind:      Simulated, Machines: f.machines, DataDir: f.dataDir, Namespace: f.namespace, Partition: f.partition, Disks: f.disks,
		DiskBus: qemu.Bus(f.diskBus), MemoryMebibytes: f.memory, CPUs: f.cpus, NICs: f.nics, TPM: f.tpm, Seed: f.seed, Capture: f.capture, Log: log,
	}
	if f.simulated && f.virtual {
		return o, errors.New("--simulated and --qemu exclude each other")
	}
	if f.virtual {
		o.Kind = QEMU
	}
	if f.dataDir == "" {
		return o, errors.New("--data-dir is required: where shall disks, logs and state be kept?")
	}
	var err error
	if o.DiskBytes, err = ParseSize(f.diskSize); err != nil {
		return o, fmt.Errorf("--disk-size: %w", err)
	}
	if o.Faults, err = ParseFaults(f.faults); err != nil {
		return o, fmt.Errorf("--faults: %w", err)
	}
	switch o.DiskBus {
	case qemu.NVMe, qemu.Virtio, qemu.SCSI, qemu.AHCI:
	default:
		return o, fmt.Errorf("--disk-bus %s: there are nvme, virtio, scsi and ahci", f.diskBus)
	}
	firmwares := map[string]bmc.Mode{"uefi": bmc.ModeUEFI, "bios": bmc.ModeLegacy}
	if o.Firmware = firmwares[f.firmware]; o.Firmware == "" {
		return o, fmt.Errorf("--firmware %s: there are uefi and bios", f.firmware)
	}
	methods := map[string]bmc.Device{"virtual-media": bmc.BootCD, "pxe": bmc.BootPXE, "uefi-http": bmc.BootHTTP}
	if o.Method = methods[f.boot]; o.Method == "" && f.boot != "" {
		return o, fmt.Errorf("--boot %s: there are virtual-media, pxe and uefi-http", f.boot)
	}
	o.Protocol = bmc.Protocol(f.protocol)
	return o, nil
}

// run keeps a lab until the command's context ends.
func run(c *cobra.Command, o Options) error {
	l, err := Start(c.Context(), o)
	if err != nil {
		return err
	}
	if err := show(c.OutOrStdout(), l.State()); err != nil {
		return errors.Join(err, l.Close())
	}
	<-c.Context().Done()
	return l.Close()
}

// shown bounds the table of machines: a thousand lines help nobody.
const shown = 20

func show(out io.Writer, s State) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tMAC\tBMC\tDISKS\tCONSOLE")
	for _, m := range s.Machines[:min(shown, len(s.Machines))] {
		console := m.ConsoleLog
		if console == "" {
			console = "(from the BMC)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", m.Name, m.MACAddress, m.BMCAddress, len(m.Disks), console)
	}
	if more := len(s.Machines) - shown; more > 0 {
		fmt.Fprintf(table, "and %d more\n", more)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nhosts     kubectl apply -f %s\nBMCs' CA  %s\nimages    %s is served at %s\n", s.HostsManifest, s.BMCCA, s.ImageDir, s.ImageURL)
	if err == nil && s.SwitchSocket != "" {
		_, err = fmt.Fprintf(out, "network   partition role: %s\n          boot role:      %s\n", s.PartitionNetwork, s.BootNetwork)
	}
	return err
}
