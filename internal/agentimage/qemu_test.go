package agentimage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agentimage"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// guest is one QEMU machine of 512 MiB with two disks and two NICs: one in QEMU's user network, one cabled to the test.
type guest struct {
	console *lockedBuffer
	// disks are the files of /dev/vda and /dev/nvme0n1.
	disks  [2]string
	qmp    string
	exited chan error
	// over is closed when the machine ended.
	over chan struct{}
}

func startGuest(ctx context.Context, t *testing.T, image agentimage.Result, config medium.Config) *guest {
	t.Helper()
	// Paths of sockets must be short.
	dir, err := os.MkdirTemp("", "ingot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	g := &guest{console: &lockedBuffer{}, qmp: filepath.Join(dir, "qmp"), exited: make(chan error, 1)}
	initrd := writeInitrd(t, filepath.Join(dir, "initrd.img"), image, config)
	for i := range g.disks {
		g.disks[i] = filepath.Join(dir, fmt.Sprintf("disk%d", i))
		if err := os.WriteFile(g.disks[i], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(g.disks[i], int64(i+1)<<30); err != nil {
			t.Fatal(err)
		}
	}
	cable := filepath.Join(dir, "cable")
	switchPort(ctx, t, cable)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-m", "512", "-smp", "2",
		"-nodefaults", "-display", "none", "-no-reboot",
		// The clock of a machine with an empty battery; the medium and the server put it right.
		"-rtc", "base=2001-01-01T00:00:00",
		"-serial", "stdio", "-qmp", "unix:"+g.qmp+",server=on,wait=off", "-kernel", image.Kernel, "-initrd", initrd, "-append", image.Manifest.CommandLine.String(),
		"-device", "virtio-rng-pci", "-netdev", "user,id=n0,ipv6=off", "-device", "virtio-net-pci,netdev=n0,romfile=,mac="+bootMAC,
		"-netdev", "stream,id=n1,server=off,addr.type=unix,addr.path="+cable, "-device", "virtio-net-pci,netdev=n1,romfile=,mac="+otherMAC,
		"-drive", "if=none,id=d0,format=raw,discard=unmap,file="+g.disks[0], "-device", "virtio-blk-pci,drive=d0,serial=SERIAL-A",
		"-drive", "if=none,id=d1,format=raw,discard=unmap,file="+g.disks[1], "-device", "nvme,drive=d1,serial=SERIAL-B",
		"-smbios", "type=1,manufacturer=Ingot,product=Test,serial=SYS-1")
	cmd.Stdout, cmd.Stderr = g.console, g.console
	if err := cmd.Start(); err != nil {
		t.Fatalf("start QEMU (package qemu-system-x86): %v", err)
	}
	g.over = make(chan struct{})
	go func() {
		g.exited <- cmd.Wait()
		close(g.over)
	}()
	return g
}

// writeInitrd puts the boot configuration behind the ramdisk, as boot loaders do.
func writeInitrd(t *testing.T, file string, image agentimage.Result, config medium.Config) string {
	t.Helper()
	archive, err := medium.Encode(config)
	if err != nil {
		t.Fatal(err)
	}
	ramdisk, err := os.ReadFile(image.Ramdisk)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(ramdisk, archive...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// switchPort is the other end of a cable: it announces itself by LLDP every second.
func switchPort(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	// To the nearest bridge group, from a switch: chassis ID, port ID "swp7", time to live 120 s, system name "leaf-1", port VLAN 42, end.
	frame, err := hex.DecodeString("0180c200000e" + "001b21aabbcc" + "88cc" + "020704001b21aabbcc" + "040505" + hex.EncodeToString([]byte("swp7")) + "06020078" +
		"0a06" + hex.EncodeToString([]byte("leaf-1")) + "fe060080c201002a" + "0000")
	if err != nil {
		t.Fatal(err)
	}
	wire := append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	var serving sync.WaitGroup
	serving.Go(func() {
		<-ctx.Done()
		_ = listener.Close()
	})
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		serving.Go(func() { _, _ = io.Copy(io.Discard, conn) })
		for every := time.NewTicker(time.Second); ctx.Err() == nil; {
			if _, err := conn.Write(wire); err != nil {
				return
			}
			select {
			case <-every.C:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(serving.Wait)
}

// pressPower presses the power button.
func (g *guest) pressPower(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", g.qmp)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answers := json.NewDecoder(conn)
	var greeting map[string]any
	if err := answers.Decode(&greeting); err != nil {
		return err
	}
	for _, command := range []string{"qmp_capabilities", "system_powerdown"} {
		if _, err := fmt.Fprintf(conn, "{\"execute\":%q}\n", command); err != nil {
			return err
		}
		var answer map[string]any
		if err := answers.Decode(&answer); err != nil {
			return err
		}
		if answer["error"] != nil {
			return fmt.Errorf("QMP %s: %v", command, answer["error"])
		}
	}
	return nil
}

// lockedBuffer is what QEMU printed.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
