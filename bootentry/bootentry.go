// Package bootentry reads from an installed system's own boot loader configuration what its boot loader would start: GRUB 2's script, and entries of the Boot Loader Specification.
//
// It owns the choice and the words: kernel, initial ramdisks, command line. It refuses file systems and disks, and to guess: GRUB's script is a programming language, of which only what
// distributions generate is understood, and what depends on a condition or on a variable that is not known is an error. Whoever asks starts the machine by its firmware then, which never guesses.
//
// Invariants: an entry has a kernel; paths are absolute, clean, and without parent references; a command line is at most MaxCommandLine bytes and has no control characters.
package bootentry

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	// MaxCommandLine is what x86 kernels take (COMMAND_LINE_SIZE 2048, with its end).
	MaxCommandLine = 2047
	// MaxConfig bounds a configuration file: generated ones have some 10 KiB.
	MaxConfig = 1 << 20
	// maxInitrds bounds the ramdisks of an entry; there are one or two.
	maxInitrds = 16
)

// Files are an installed system's configuration, as text.
type Files struct {
	// GRUB is grub.cfg, Environment grubenv; empty where there is none.
	GRUB, Environment string
	// Entries are the files of loader/entries, by name.
	Entries map[string]string
}

// Entry is what is started.
type Entry struct {
	Title string
	// Kernel and Initrds are paths on the file system with the configuration.
	Kernel      string
	Initrds     []string
	CommandLine string
}

// Choose gives the entry that the boot loader would start by itself.
func Choose(f Files) (Entry, error) {
	if len(f.GRUB) > MaxConfig || len(f.Environment) > MaxConfig {
		return Entry{}, fmt.Errorf("the boot loader's configuration is larger than %d bytes", MaxConfig)
	}
	variables := environment(f.Environment)
	var e Entry
	var err error
	switch {
	case f.GRUB != "":
		e, err = fromGRUB(f.GRUB, variables, f.Entries)
	case len(f.Entries) > 0:
		e, err = fromEntries(f.Entries, variables)
	default:
		err = errors.New("there is neither grub.cfg nor an entry of the Boot Loader Specification")
	}
	if err != nil {
		return Entry{}, err
	}
	return e.checked()
}

// environment reads GRUB's environment block: lines of name=value, filled up with '#'.
func environment(text string) map[string]string {
	variables := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		name, value, ok := strings.Cut(line, "=")
		if ok && !strings.HasPrefix(line, "#") {
			variables[name] = value
		}
	}
	return variables
}

// checked cleans the paths and bounds the rest.
func (e Entry) checked() (Entry, error) {
	if e.Kernel == "" {
		return e, fmt.Errorf("the entry %q starts no Linux kernel", e.Title)
	}
	if len(e.Initrds) > maxInitrds {
		return e, fmt.Errorf("the entry %q has %d initial ramdisks", e.Title, len(e.Initrds))
	}
	var err error
	if e.Kernel, err = clean(e.Kernel); err != nil {
		return e, err
	}
	e.Initrds = slices.Clone(e.Initrds)
	for i := range e.Initrds {
		if e.Initrds[i], err = clean(e.Initrds[i]); err != nil {
			return e, err
		}
	}
	if len(e.CommandLine) > MaxCommandLine || strings.ContainsFunc(e.CommandLine, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return e, fmt.Errorf("the kernel's command line has control characters or more than %d bytes", MaxCommandLine)
	}
	return e, nil
}

// clean makes a path absolute. GRUB's "($root)" before it means the file system of the configuration, any other device in brackets another.
func clean(p string) (string, error) {
	p = strings.TrimPrefix(p, "($root)")
	if p == "" || strings.HasPrefix(p, "(") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) || slices.Contains(strings.Split(p, "/"), "..") {
		return "", fmt.Errorf("the path %q is none on the file system of the configuration", p)
	}
	return path.Clean("/" + p), nil
}
