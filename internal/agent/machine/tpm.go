package machine

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/go-tpm/tpm2/transport/linuxtpm"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/agent/tpm"
)

const (
	// tpmDevice is the TPM behind the kernel's resource manager, which gives each opener a room of its own.
	tpmDevice = "/dev/tpmrm0"
	// tpmTable is the ACPI table in which firmware says that there is a TPM 2.0 (TCG ACPI Specification, 7.3).
	tpmTable = "/sys/firmware/acpi/tables/TPM2"
	// tpmPatience is how long after the agent's start the kernel may still be finding a TPM that the firmware names.
	tpmPatience = 10 * time.Second
	tpmLook     = 100 * time.Millisecond
)

// security is the machine's TPM.
type security struct{ device, table string }

// Open implements agent.TPM.
func (s security) Open() (agent.TPMSession, error) {
	if err := s.wait(); err != nil {
		return nil, err
	}
	c, err := linuxtpm.Open(s.device)
	if err != nil {
		return nil, fmt.Errorf("open the TPM: %w", err)
	}
	return tpm.Open(c)
}

// wait waits for a TPM that the firmware names. A machine whose firmware names none, and that has no device, has no TPM.
func (s security) wait() error {
	for end := time.Now().Add(tpmPatience); ; time.Sleep(tpmLook) {
		_, err := os.Stat(s.device)
		if err == nil {
			return nil
		}
		if _, named := os.Stat(s.table); errors.Is(named, os.ErrNotExist) {
			return agent.ErrNoTPM
		}
		if time.Now().After(end) {
			return fmt.Errorf("the machine's firmware names a TPM 2.0, and the kernel has no %s: its driver found none, or found it broken: %w", s.device, err)
		}
	}
}
