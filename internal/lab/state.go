package lab

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// State is what a lab says of itself in <data-dir>/lab.json: for tests and people, and for the lab itself when it is started again.
type State struct {
	Kind Kind `json:"kind"`
	// PID is the lab's process.
	PID int `json:"pid"`
	// StartedAt is when this process finished starting.
	StartedAt time.Time `json:"startedAt"`
	// SwitchSocket is the switch's; PartitionNetwork and BootNetwork are what the roles take for --provisioning-network. Empty where the machines are on loopback.
	SwitchSocket     string `json:"switchSocket,omitempty"`
	PartitionNetwork string `json:"partitionNetwork,omitempty"`
	BootNetwork      string `json:"bootNetwork,omitempty"`
	// Segments are the sockets of the switches of the machines' further network cards, the second one's first.
	Segments []string `json:"segments,omitempty"`
	// ImageDir is served at ImageURL, which the machines reach.
	ImageDir string `json:"imageDir"`
	ImageURL string `json:"imageURL"`
	// ImagePort is the image server's port on loopback, 0 when it is on the lab's network.
	ImagePort int `json:"imagePort,omitempty"`
	// BMCCA is the file with the certificate authority of the BMCs, HostsManifest the one that makes the hosts.
	BMCCA         string    `json:"bmcCA"`
	HostsManifest string    `json:"hostsManifest"`
	Username      string    `json:"username"`
	Password      string    `json:"password"`
	Machines      []Machine `json:"machines"`
}

// Machine is one machine in State.
type Machine struct {
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
	MACAddress string `json:"macAddress"`
	UUID       string `json:"uuid"`
	// BMCAddress is as a BareMetalHost has it; BMCPort is the port in it.
	BMCAddress string `json:"bmcAddress"`
	BMCPort    int    `json:"bmcPort"`
	Disks      []Disk `json:"disks"`
	// ConsoleLog is the file with the serial console's output; empty with simulated machines, whose console is read from the BMC.
	ConsoleLog string `json:"consoleLog,omitempty"`
}

// Disk is one disk in State.
type Disk struct {
	Path         string `json:"path"`
	SerialNumber string `json:"serialNumber"`
	WWN          string `json:"wwn"`
	SizeBytes    int64  `json:"sizeBytes"`
	Rotational   bool   `json:"rotational"`
}

// The files of a data directory.
const (
	stateFile    = "lab.json"
	manifestFile = "hosts.yaml"
	bmcCAFile    = "bmc-ca.pem"
	socketFile   = "switch.sock"
)

// ReadState reads a data directory's state.
func ReadState(dir string) (State, error) {
	var s State
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return s, fmt.Errorf("read the lab's state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read the lab's state in %s: %w", filepath.Join(dir, stateFile), err)
	}
	return s, nil
}

// passwordLength is what IPMI takes at most (IPMI 2.0 §22.30); at 5 bits a character it is 100 bits.
const passwordLength = 20

// earlier is the state of the lab that ran in this directory before; one without machines where there was none.
func earlier(o Options) (State, error) {
	s, err := ReadState(o.DataDir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return State{Username: "admin", Password: rand.Text()[:passwordLength]}, nil
	case err != nil:
		return s, err
	case s.Kind != o.Kind:
		return s, fmt.Errorf("%s holds a lab of %s machines, not %s: use another directory, or remove this one", o.DataDir, s.Kind, o.Kind)
	}
	return s, nil
}

// port is the BMC port that a machine had before, 0 for none.
func (s State) port(name string) int {
	for _, m := range s.Machines {
		if m.Name == name {
			return m.BMCPort
		}
	}
	return 0
}

func (s State) write(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, stateFile), append(text, '\n'))
}

// writeFile replaces a file in one step; what it holds may be secret.
func writeFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
