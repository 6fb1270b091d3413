package agentimage

import (
	"debug/elf"
	"fmt"
	"os"
	"strings"
)

// requireStatic refuses a program that the ramdisk could not start: it is the only file there, so one that wants a loader or a library of a C system ends the boot with the kernel's
// panic "No working init found", on a machine whose console nobody may be looking at.
func requireStatic(file string, machine elf.Machine) error {
	const build = "build it with CGO_ENABLED=0 go build ./cmd/ingot-agent"
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("the agent's program: %w", err)
	}
	defer f.Close()
	program, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("the agent's program %s is no program for Linux: %w; %s", file, err, build)
	}
	if program.Machine != machine || program.Class != elf.ELFCLASS64 {
		return fmt.Errorf("the agent's program %s is for %s (%s), and the kernel is for %s; %s for that one", file, program.Machine, program.Class, machine, build)
	}
	if program.Type != elf.ET_EXEC && program.Type != elf.ET_DYN {
		return fmt.Errorf("the agent's program %s is no program but %s; %s", file, program.Type, build)
	}
	libraries, err := program.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read which libraries the agent's program %s wants: %w; %s", file, err, build)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || len(libraries) > 0 {
			return fmt.Errorf("the agent's program %s is linked dynamically (loader %s, libraries %v), and the ramdisk has neither loader nor libraries; %s",
				file, interpreter(program), libraries, build)
		}
	}
	return nil
}

// interpreter is the loader that a program asks for; "none" where it asks for none.
func interpreter(program *elf.File) string {
	for _, p := range program.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, min(p.Filesz, 256))
		if n, err := p.ReadAt(name, 0); n > 0 && err == nil {
			return strings.TrimRight(string(name[:n]), "\x00")
		}
		return "that cannot be read"
	}
	return "none"
}
