package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	pure "github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// Kept is what outlives the daemon.
type Kept struct {
	// Gateway is what is enforced; nil where nothing ever was.
	Gateway *pure.Gateway
	// Generation is its number in the kernel, FirewallGeneration that of the object.
	Generation         uint32
	FirewallGeneration int64
	Digest             string
	// Interfaces are the network cards by network, and Places what they are found by.
	Interfaces map[string]string
	Places     map[string]object.Place `json:",omitempty"`
	// Term is the latest of the right to the Firewall's addresses that was read of, and Yields says that another machine, or none, has it. Service are those addresses by network; nil while the right never changed hands.
	Term    int64                   `json:",omitempty"`
	Yields  bool                    `json:",omitempty"`
	Service map[string][]netip.Addr `json:",omitempty"`
}

// File is where it is kept.
type File string

// Read gives what is kept; the zero value where nothing is.
func (f File) Read() (Kept, error) {
	var k Kept
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, fmt.Errorf("read the firewall's last rules: %w", err)
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return Kept{}, fmt.Errorf("the firewall's last rules in %s are damaged: %w; move the file away to begin anew", f, err)
	}
	if k.Gateway != nil {
		if err := k.Gateway.Check(); err != nil {
			return Kept{}, fmt.Errorf("the firewall's last rules in %s do not fit together: %w; move the file away to begin anew", f, err)
		}
	}
	return k, nil
}

// Write replaces it; when it returns, a power cut loses nothing.
func (f File) Write(k Kept) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(string(f)), 0o700)
	}
	if err == nil {
		err = f.replace(text)
	}
	if err != nil {
		return fmt.Errorf("keep the firewall's rules: %w", err)
	}
	return nil
}

func (f File) replace(text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(string(f)), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // gone after the rename
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync()
	}
	if err := errors.Join(err, next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), string(f)); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Remove deletes it, where it is there.
func (f File) Remove() error {
	for _, one := range []File{f, f.names()} {
		if err := os.Remove(string(one)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the firewall's rules: %w", err)
		}
	}
	return nil
}

// Rewrite writes a table anew in one transaction, over whatever is there; learned is the text that fills its sets of names. A packet that is under way may meet neither the old nor the new: forwarding is off meanwhile.
func Rewrite(ctx context.Context, h hostnet.Transactions, r *ruleset.Ruleset, learned string) error {
	if err := h.Apply(ctx, r.Uninstall()+learned+strings.ReplaceAll(r.Install(nil), ruleset.Barrier, "")); err != nil {
		return fmt.Errorf("write the table %s anew: %w", r.Table, err)
	}
	return nil
}

// Load is for the boot, before the network: the machine is closed, the last rules go into the kernel, and only then it forwards. It gives the Firewall's generation, 0 where nothing was ever enforced.
func Load(ctx context.Context, h hostnet.Transactions, f File, table string, on Forwarding) (int64, error) {
	if err := Close(ctx, h); err != nil {
		return 0, errors.Join(err, on(false))
	}
	k, err := f.Read()
	if err == nil && k.Yields {
		// From before its network is up the machine is silent about addresses that another one has.
		err = yield(ctx, h, k.Service)
	}
	if err != nil || k.Gateway == nil {
		return 0, errors.Join(err, on(false))
	}
	if err := on(false); err != nil {
		return 0, fmt.Errorf("switch forwarding off: %w", err)
	}
	rules, now := ruleset.CompileGateway(k.Gateway, ruleset.Options{Table: table, Generation: k.Generation, Refused: true}), time.Now()
	if err := Rewrite(ctx, h, rules, fill(rules, f.readNames(now), now)); err != nil {
		return 0, err
	}
	if err := on(!k.Yields); err != nil {
		return 0, fmt.Errorf("switch forwarding on: %w", err)
	}
	return k.FirewallGeneration, nil
}

// Sysctl is the switch of the namespace that the caller is in, below a directory like /proc/sys/net.
func Sysctl(dir string) Forwarding {
	return func(on bool) error {
		value := "0"
		if on {
			value = "1"
		}
		var failed []error
		for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			path := filepath.Join(dir, name)
			have, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // a kernel without the family
			}
			if err == nil && strings.TrimSpace(string(have)) != value {
				err = os.WriteFile(path, []byte(value), 0)
			}
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	}
}
