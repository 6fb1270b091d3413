package lab

import (
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/sshcert"
)

// mostConsoles is up to how many machines each BMC has an SSH server: a listener more, which thousands of BMCs do not need.
const mostConsoles = 200

// consoleKey is the key of the BMCs' SSH servers. It stays over a restart of the lab, since hosts name it.
func consoleKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		private, err := sshcert.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		block, err := ssh.MarshalPrivateKey(private, "ingot lab BMCs")
		if err != nil {
			return nil, fmt.Errorf("make the key of the BMCs' SSH servers: %w", err)
		}
		text = pem.EncodeToMemory(block)
		if err := writeFile(path, text); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("read the key of the BMCs' SSH servers: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the key of the BMCs' SSH servers in %s: %w", path, err)
	}
	return signer, nil
}
