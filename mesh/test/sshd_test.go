package test

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firstboot"
	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/sshcert"
)

// sshFolders are covered for the time of the test: a machine's first boot writes there, and sshd trusts nothing that stands in /tmp.
var sshFolders = []string{"/etc/ssh", "/run/sshd"}

// firewall is a machine of the site: a host with sshd and a member of the mesh, both as the first boot sets them up, and its objects.
type firewall struct {
	*member
	machine *ingot.Machine
	key     *ingot.MeshKey
	sshd    *child.Process
	// log is the file of what sshd says.
	log string
	// text is what the first boot runs, for a machine of another UID to be set up by.
	text func(uid string) string
}

// coverFolders gives this process's mounts empty folders for sshd.
func coverFolders(t *testing.T) {
	t.Helper()
	for _, dir := range sshFolders {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("none", dir, "tmpfs", 0, "mode=755"); err != nil {
			t.Fatalf("cover %s: %v", dir, err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
}

// allocate makes the Machine as the controllers leave it when it was told how to join, runs what it is told, and returns when it is in the mesh.
func (o *office) allocate(t *testing.T, at place, name string) *firewall {
	t.Helper()
	f := o.invite(t, at, name)
	f.setUp(t, o, f.text(string(f.machine.UID)))
	m, _ := o.join(at, "join", name, o.minted(f.key))
	m.known(f.key, "is admitted", admitted)
	f.member = m
	return f
}

// invite makes the objects, and has a host key.
func (o *office) invite(t *testing.T, at place, name string) *firewall {
	t.Helper()
	private, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, name)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	f := &firewall{machine: &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: ingot.MachineSpec{Size: "any", Partition: partition, Image: "debian-12"}}}
	o.create(f.machine)
	f.machine.Status.SSHHostKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.PublicKey())))
	// An address that is not in the mesh, where somebody listens: nobody may be led there.
	f.machine.Status.Addresses = []ingot.MachineAddress{{Network: namespace + "/outside", IP: name, Address: at.ip, PrefixLength: 24}}
	o.status(f.machine)
	f.key = &ingot.MeshKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: name + "-", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: ingot.GroupVersion.String(), Kind: "Machine", Name: name, UID: f.machine.UID,
		}}},
		Spec: firewallSpec(name),
	}
	o.create(f.key)
	authority := o.authority(t)
	f.text = func(uid string) string {
		part, err := firstboot.Join(firstboot.Mesh{
			Hostname: name, Coordinator: "https://" + coreIP + ":8449", Key: "as the member is given it", CA: string(o.ca.CertPEM()),
			HostKey: string(pem.EncodeToMemory(block)), Authority: authority, Principal: sshcert.Principal("root", uid),
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(part.Text)
	}
	return f
}

// minted has a MeshKey's key made.
func (o *office) minted(key *ingot.MeshKey) meshkey.Minted {
	o.t.Helper()
	minted, err := o.keys.Mint(o.t.Context(), key.Namespace, key.Name)
	if err != nil {
		o.t.Fatal(err)
	}
	return minted
}

// authority is the public key of the site's SSH authority, which the console role made.
func (o *office) authority(t *testing.T) string {
	t.Helper()
	s := &corev1.Secret{}
	if err := o.api.Get(t.Context(), client.ObjectKey{Namespace: ingot.ConsoleNamespace, Name: ingot.SSHAuthoritySecret}, s); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(s.Data[ingot.SSHAuthorityKey])
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
}

// setUp runs the first boot's script, but for the units, which the lab starts itself, and starts sshd by what it wrote.
func (f *firewall) setUp(t *testing.T, o *office, text string) {
	t.Helper()
	if f.sshd != nil {
		if err := f.sshd.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.MkdirTemp(o.dir, "boot-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc/default"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"systemctl", "ingot-mesh-member"} {
		if err := os.WriteFile(filepath.Join(root, program), []byte("#!/bin/sh\n[ \"$1\" != is-enabled ]\n"), 0o755); err != nil { // a program
			t.Fatal(err)
		}
	}
	file := filepath.Join(root, "part-001")
	if err := os.WriteFile(file, []byte(strings.NewReplacer("/etc/default/", root+"/etc/default/", "/etc/ingot-mesh", root+"/etc/ingot-mesh").Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	boot := exec.CommandContext(t.Context(), "sh", file)
	boot.Env = []string{"PATH=" + root + ":/usr/bin:/bin"}
	if out, err := boot.CombinedOutput(); err != nil {
		t.Fatalf("the first boot's script: %v\n%s", err, out)
	}
	f.serve(t, o, o.firewallAt)
}

// serve starts sshd, and returns when it answers.
func (f *firewall) serve(t *testing.T, o *office, at place) {
	t.Helper()
	args := at.in("/usr/sbin/sshd", "-D", "-e", "-o", "LogLevel=VERBOSE", "-f", "/etc/ssh/sshd_config.d/00-ingot-mesh.conf")
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // the lab ends it
	log, err := os.CreateTemp(o.dir, "sshd-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f.log, cmd.Stderr = log.Name(), log
	if f.sshd, err = child.Start(cmd); err != nil {
		t.Fatalf("%v (is openssh-server installed? see scripts/packages.txt)", err)
	}
	sshd := f.sshd
	t.Cleanup(func() { _ = sshd.Kill() })
	answers := (&process{Process: sshd, log: f.log}).said
	o.until("sshd listens", func(context.Context) error {
		select {
		case <-sshd.Done():
			text, _ := os.ReadFile(f.log)
			t.Fatalf("sshd ended: %v\n%s", sshd.Err(), text)
		default:
		}
		if !answers("Server listening on 127.0.0.1 port 22.") {
			return errors.New("it has not said so")
		}
		return nil
	})
}

// heard is what sshd says.
func (f *firewall) heard(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(f.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
