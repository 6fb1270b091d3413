package simulated

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// The first sector's signature, without which no firmware boots a disk.
const (
	signatureAt   = 510
	reportTries   = 10
	reportTimeout = 10 * time.Second
)

// bootableDisk is the file of the first disk with a boot signature.
func (m *Machine) bootableDisk() (string, error) {
	var looked []string
	inventory, paths, _ := m.shape()
	for _, d := range inventory.Disks {
		path := paths[d.Name]
		ok, err := bootable(path)
		if err != nil {
			return "", fmt.Errorf("read disk %s: %w", d.Name, err)
		}
		if ok {
			return path, nil
		}
		looked = append(looked, d.Name)
	}
	return "", fmt.Errorf("no boot sector on %s", strings.Join(looked, ", "))
}

func bootable(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	var signature [2]byte
	if _, err := f.ReadAt(signature[:], signatureAt); err != nil {
		return false, err
	}
	return signature == [2]byte{0x55, 0xaa}, nil
}

// system is the operating system on a disk: it reads its config drive, and on the first boot of this instance does what cloud-init would with phone_home.
func (m *Machine) system(ctx context.Context, path string) error {
	m.at.Store(AtSystem)
	m.console.printf("booting from %s\n", path)
	if err := pause(ctx, m.config.SystemTime); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	drive, err := findConfigDrive(f)
	if errors.Is(err, errNoConfigDrive) {
		drive, err = m.configDriveOnArray(ctx)
	}
	closeErr := f.Close()
	switch {
	case errors.Is(err, errNoConfigDrive):
		m.console.printf("login: no config drive\n")
	case err != nil:
		m.console.printf("login: config drive: %v\n", err)
	case closeErr != nil:
		return closeErr
	default:
		m.firstBoot(ctx, drive)
	}
	<-ctx.Done()
	return ctx.Err()
}

// firstBoot reports once per instance. A system that cannot report goes on running, as a real one does.
func (m *Machine) firstBoot(ctx context.Context, drive configDrive) {
	home, err := drive.phoneHome()
	if err != nil || home.URL == "" {
		m.console.printf("login: no phone_home: %v\n", err)
		return
	}
	dial, release, err := m.online(ctx)
	if err != nil {
		m.console.printf("phone_home: %v\n", err)
		return
	}
	defer release()
	client, err := reportClient(home.trusted, dial)
	if err != nil {
		m.console.printf("phone_home: %v\n", err)
		return
	}
	defer client.CloseIdleConnections()
	form := reportForm(home.Post, drive, m.config.Inventory)
	tries := reportTries
	if home.Tries > 0 {
		tries = home.Tries
	}
	for try := range tries {
		err := report(ctx, client, home.URL, form)
		if err == nil {
			m.reports.Add(1)
			m.console.printf("login: first boot reported\n")
			return
		}
		m.console.printf("phone_home: try %d: %v\n", try+1, err)
		if pause(ctx, time.Second) != nil {
			return
		}
	}
}

func reportClient(trusted []string, dial dialFunc) (*http.Client, error) {
	roots := x509.NewCertPool()
	for _, pem := range trusted {
		if !roots.AppendCertsFromPEM([]byte(pem)) {
			return nil, errors.New("a trusted CA of the config drive is no certificate")
		}
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext:     func(ctx context.Context, _, to string) (net.Conn, error) { return dial(ctx, to) },
	}
	return &http.Client{Transport: transport, Timeout: reportTimeout}, nil
}

// reportForm is what cloud-init's cc_phone_home sends: the wanted fields, "N/A" for what it does not know.
func reportForm(wanted []string, drive configDrive, i step.Inventory) url.Values {
	known := map[string]string{
		"instance_id": drive.meta.UUID, "hostname": drive.meta.hostname(), "fqdn": drive.meta.hostname(),
		"pub_key_ed25519": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + i.System.UUID + " simulated", "kernel": "simulated",
	}
	form := url.Values{}
	for name, value := range known {
		if len(wanted) == 0 || slices.Contains(wanted, name) || slices.Contains(wanted, "all") {
			form.Set(name, value)
		}
	}
	for _, name := range wanted {
		if name != "all" && !form.Has(name) {
			form.Set(name, "N/A")
		}
	}
	return form
}

func report(ctx context.Context, client *http.Client, to string, form url.Values) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewBufferString(form.Encode()))
	if err != nil {
		return errors.New("the address is no URL")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(r)
	if err != nil {
		// The address holds a token: only the cause is told.
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode >= 300 {
		return fmt.Errorf("refused with status %d", answer.StatusCode)
	}
	return nil
}
