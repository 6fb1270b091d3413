package machine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/agent/coldplug"
	"github.com/ingotmetal/ingot/internal/agent/inventory"
	"github.com/ingotmetal/ingot/internal/agent/netconf"
	"github.com/ingotmetal/ingot/internal/agent/netdata"
	"github.com/ingotmetal/ingot/internal/driver/disk/linux"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/driver/socket/packet"
	volumes "github.com/ingotmetal/ingot/internal/driver/volume/linux"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot/medium"
)

const (
	// memoryLimit is what the garbage collector keeps the agent to (GOMEMLIMIT): a machine of 512 MiB has room for it beside the kernel and the unpacked ramdisk.
	memoryLimit = 160 << 20
	// networkPatience is how long the agent waits for a first address before it tries to talk anyway.
	networkPatience = 60 * time.Second
	// lastWords is how long a message stays on the screen before the machine is restarted or turned off.
	lastWords = time.Minute
)

// errNoBoot: nothing that this machine could do by itself would help.
var errNoBoot = errors.New("this boot has no usable configuration")

// Live is the life of the first process. It returns only when the machine could be neither turned off nor restarted.
func Live(ctx context.Context, version string) error {
	debug.SetMemoryLimit(memoryLimit)
	mountErr := mountAll()
	// Without it the process's own output is used.
	active, _ := os.ReadFile("/sys/class/tty/console/active")
	out := openConsole(string(active))
	log := agent.NewLog(out.handler())
	logger := slog.New(log)
	end := &power{logger: logger, console: out}
	logger.Info("Ingot agent", "version", version, "kernel", release())
	if mountErr != nil {
		logger.Error("File systems not mounted", "err", mountErr)
	}
	err := guarded(func() error { return live(ctx, version, log, logger, end) })
	return leave(ctx, logger, end, err)
}

// guarded makes an error of a panic.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// leave ends a life that did not end by itself.
func leave(ctx context.Context, logger *slog.Logger, end *power, err error) error {
	if err == nil {
		err = errors.New("the machine did not turn off")
	}
	logger.Error("The agent cannot go on", "err", err)
	t := time.NewTimer(lastWords)
	defer t.Stop()
	<-t.C
	if errors.Is(err, errNoBoot) || errors.Is(err, agent.ErrRefused) {
		return errors.Join(err, end.PowerOff(ctx))
	}
	return errors.Join(err, end.Reboot(ctx))
}

func live(ctx context.Context, version string, log *agent.Log, logger *slog.Logger, end *power) error {
	config, err := readConfig("/" + medium.Path)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoBoot, err)
	}
	modules, hotplug, err := plug(ctx, logger)
	if err != nil {
		return err
	}
	if err := mountEFI(modules); err != nil {
		logger.Warn("Firmware variables are not read", "err", err)
	}
	go watchButton(ctx, func() {
		logger.Info("Power button pressed")
		if err := end.PowerOff(ctx); err != nil {
			logger.Error("Machine not turned off", "err", err)
		}
	})
	bootMAC := strings.ToLower(config.MACAddress)
	if bootMAC == "" {
		// Without it the NIC that booted is not known.
		cmdline, _ := os.ReadFile("/proc/cmdline")
		bootMAC = bootInterface(string(cmdline))
	}
	bound, err := bind(config, logger)
	if err != nil {
		return err
	}
	network, err := startNetwork(ctx, config, netconf.Options{
		BootMAC: bootMAC, Sockets: packet.New(bound), Module: modules.Named, ResolverFile: "/etc/resolv.conf", Logger: logger,
	})
	if err != nil {
		return err
	}
	waitForNetwork(ctx, network, logger)
	reader := inventory.Reader{Root: os.DirFS("/"), BootMAC: bootMAC}
	return agent.Run(ctx, agent.Options{
		Config: config,
		Hardware: agent.Hardware{
			Inspector: inspector{reader: reader, network: network, hotplug: hotplug, logger: logger},
			Disks:     linux.Opener{},
			Arrays:    linux.Arrays{Module: modules.Named},
			Volumes:   volumes.Maker{Load: modules.Named},
			Loader:    "/usr/lib/ingot/grub",
			Power:     end,
			Kernels:   kernels{end: end},
			TPM:       security{device: tpmDevice, table: tpmTable},
			Stress:    stress{root: reader.Root},
		},
		Dial: bound.Dial, Clock: clock{}, Log: log, Version: version,
	})
}

// bind gives the agent its way to the network. The boot medium is the site's word for where the partition role is, which may be another port than the built-in row's.
func bind(config medium.Config, logger *slog.Logger) (*socket.Bound, error) {
	bound := socket.Bind(matrix.Agent, matrix.Builtin(), kernel.Network{})
	endpoint, err := url.Parse(config.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("%w: the boot configuration's endpoint %q: %w", errNoBoot, config.Endpoint, err)
	}
	port, err := strconv.ParseUint(cmp.Or(endpoint.Port(), "443"), 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%w: the port of the boot configuration's endpoint %q: %w", errNoBoot, config.Endpoint, err)
	}
	missing, err := bound.Reach(matrix.AgentToPartition, uint16(port))
	if missing != nil {
		logger.Info("Partition role at a port of the site's own", "flow", string(matrix.AgentToPartition), "endpoint", config.Endpoint)
	}
	return bound, err
}

func readConfig(file string) (medium.Config, error) {
	var c medium.Config
	data, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("the boot medium brought no configuration: %w; the machine was booted outside of a boot window", err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("read %s: %w", file, err)
	}
	if c.BootID == "" || c.Token == "" || c.Endpoint == "" {
		return c, fmt.Errorf("%s names no boot, no token or no endpoint", file)
	}
	return c, nil
}

// plug loads the modules for the devices that are there, and for those that appear later.
func plug(ctx context.Context, logger *slog.Logger) (*coldplug.Plug, *coldplug.Hotplug, error) {
	data, err := os.ReadFile("/" + coldplug.IndexPath)
	if err != nil {
		return nil, nil, fmt.Errorf("the ramdisk has no index of modules: %w", err)
	}
	index, err := coldplug.ParseIndex(data)
	if err != nil {
		return nil, nil, err
	}
	if index.Kernel != release() {
		logger.Error("The ramdisk's modules are of another kernel", "modules", index.Kernel, "kernel", release())
	}
	p := coldplug.New(index, coldplug.FileKernel{Root: "/"}, logger)
	hotplug, err := coldplug.Follow(p, logger)
	if err != nil {
		return nil, nil, err
	}
	go hotplug.Run(ctx)
	p.LoadAlways()
	if err := p.Walk(os.DirFS("/sys/devices")); err != nil {
		logger.Warn("Devices not looked through", "err", err)
	}
	return p, hotplug, nil
}

func startNetwork(ctx context.Context, c medium.Config, o netconf.Options) (*netconf.Network, error) {
	if c.NetworkData != "" {
		static, err := netdata.Parse([]byte(c.NetworkData))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoBoot, err)
		}
		o.Static = &static
	}
	return netconf.Start(ctx, o)
}

func waitForNetwork(ctx context.Context, n *netconf.Network, logger *slog.Logger) {
	t := time.NewTimer(networkPatience)
	defer t.Stop()
	select {
	case <-n.Configured():
	case <-t.C:
		logger.Warn("No address yet; is a cable plugged in, and does the site's DHCP answer?")
	case <-ctx.Done():
	}
}

// bootInterface reads PXELINUX's BOOTIF=01-52-54-00-12-34-56 (01: Ethernet) from the kernel's command line; empty where there is none.
func bootInterface(cmdline string) string {
	for word := range strings.FieldsSeq(cmdline) {
		value, ok := strings.CutPrefix(word, "BOOTIF=")
		if ok && strings.Count(value, "-") == 6 {
			_, mac, _ := strings.Cut(value, "-")
			return strings.ToLower(strings.ReplaceAll(mac, "-", ":"))
		}
	}
	return ""
}

func release() string {
	data, err := os.ReadFile(filepath.Join("/proc", "sys/kernel/osrelease"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
