package netboot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// CommandLine is all that the agent's kernel is told on its command line. What a boot needs to know of its host is on the boot medium (package medium); a site's own arguments are checked words, so that nothing in
// them can mean something to GRUB or iPXE.
type CommandLine struct {
	// Consoles, in the kernel's order: the last one is /dev/console. For example "tty0", "ttyS0,115200n8".
	Consoles []Console `json:"consoles"`
	// PanicSeconds is the time from a kernel panic to the reboot; 0: wait for ever, so that the text on the screen stays.
	PanicSeconds int `json:"panicSeconds,omitempty"`
	// LogLevel leaves out kernel messages of this level and above, 1 to 8 (Linux: 4 leaves out warnings); 0: the kernel's own choice.
	LogLevel int `json:"logLevel,omitempty"`
	// Emulated leaves out the kernel's test of its timer interrupt, which fails in an emulator on a busy host, and ends in a panic
	// ("IO-APIC + timer doesn't work").
	Emulated bool `json:"emulated,omitempty"`
	// Extra are arguments of the image's builder and of the site, CheckArgument each.
	Extra []string `json:"extra,omitempty"`
}

// MaxArguments bounds the arguments that an image is built with, and those of a site; maxArgument is the length of one: together 1 KiB.
const (
	MaxArguments = 8
	maxArgument  = 64
)

// argumentForm has no quotes, spaces, dollars, braces or backslashes: nothing that a boot loader's script would read.
var argumentForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*(=[a-zA-Z0-9_.,:/+@-]*)?$`)

// reserved are what Ingot sets itself, or what would take the machine away from the agent (Linux, Documentation/admin-guide/kernel-parameters.txt). The Partition's schema has the same list.
var reserved = []string{
	"console", "initrd", "init", "rdinit", "root", "panic", "loglevel", "quiet", "single", "emergency", "rescue", "no_timer_check", "BOOT_IMAGE", "netconsole", "ip", "nfsroot", "module", "lockdown", "iomem",
	"memmap", "mem", "kgdboc", "kgdbwait", "dyndbg",
}

// CheckArgument says what is wrong with an argument of a site, nil for nothing.
func CheckArgument(text string) error {
	name, _, _ := strings.Cut(text, "=")
	switch {
	case len(text) > maxArgument || !argumentForm.MatchString(text):
		return fmt.Errorf("kernel argument %q: write a word, or a word, = and a value, of letters, digits and _.,:/+@-, at most %d bytes", text, maxArgument)
	case slices.Contains(reserved, name) || strings.HasPrefix(name, "ingot"):
		return fmt.Errorf("kernel argument %q: %s is Ingot's own to set, or would take the machine away from the agent: leave it out", text, name)
	}
	return nil
}

// Console is a kernel console, in the kernel's own words (Linux, Documentation/admin-guide/serial-console.rst).
type Console string

var consolePattern = regexp.MustCompile(`^(tty[0-9]{1,2}|tty(S|AMA|USB)[0-9]{1,2}(,[0-9]{3,7}[noe][78]r?)?|hvc[0-9])$`)

// maxConsoles keeps the line far below the kernel's limit of 2048 bytes (x86, COMMAND_LINE_SIZE).
const maxConsoles = 8

// DefaultCommandLine shows on the screen and on the first serial port, which is what most BMCs redirect.
func DefaultCommandLine() CommandLine {
	return CommandLine{Consoles: []Console{"tty0", "ttyS0,115200n8"}, PanicSeconds: 30, LogLevel: 4}
}

// Validate says what is wrong with it, nil for nothing.
func (c CommandLine) Validate() error {
	if len(c.Consoles) > maxConsoles {
		return fmt.Errorf("%d consoles, at most %d are possible", len(c.Consoles), maxConsoles)
	}
	for _, console := range c.Consoles {
		if !consolePattern.MatchString(string(console)) {
			return fmt.Errorf("console %q is not one; write for example tty0 or ttyS0,115200n8", console)
		}
	}
	if c.PanicSeconds < 0 || c.PanicSeconds > 86400 {
		return fmt.Errorf("panic seconds %d are not between 0 and 86400", c.PanicSeconds)
	}
	if len(c.Extra) > 2*MaxArguments {
		return fmt.Errorf("%d kernel arguments, at most %d of the image and %d of the site are possible", len(c.Extra), MaxArguments, MaxArguments)
	}
	for _, a := range c.Extra {
		if err := CheckArgument(a); err != nil {
			return err
		}
	}
	if c.LogLevel < 0 || c.LogLevel > 8 {
		return fmt.Errorf("log level %d is not between 0 and 8", c.LogLevel)
	}
	return nil
}

// String is the line. Of an invalid one it is empty, so that nothing unchecked can get into a boot loader's script.
func (c CommandLine) String() string {
	if c.Validate() != nil {
		return ""
	}
	var words []string
	for _, console := range c.Consoles {
		words = append(words, "console="+string(console))
	}
	if c.PanicSeconds > 0 {
		words = append(words, fmt.Sprintf("panic=%d", c.PanicSeconds))
	}
	if c.LogLevel > 0 {
		words = append(words, fmt.Sprintf("loglevel=%d", c.LogLevel))
	}
	if c.Emulated {
		words = append(words, "no_timer_check")
	}
	return strings.Join(append(words, c.Extra...), " ")
}
