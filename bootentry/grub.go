package bootentry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// script is the reading of a grub.cfg.
type script struct {
	variables map[string]string
	// defaults are the values that "default" is given, in order, those without a known value left out.
	defaults []string
	entries  []menu
	// entry is the index of the menu entry that is being read, -1 outside; blocks are what is open.
	entry  int
	blocks []string
	// bls: the menu is made of entries of the Boot Loader Specification.
	bls bool
}

// menu is an entry of the menu.
type menu struct {
	Entry
	id string
	// conditional: it may not be there.
	conditional bool
	// trouble is why it cannot be taken.
	trouble error
}

// fromGRUB reads the script and takes its default entry.
func fromGRUB(text string, environment map[string]string, entries map[string]string) (Entry, error) {
	s := script{variables: maps.Clone(environment), entry: -1}
	l := lexer{text: text}
	for {
		words, ok, err := l.command()
		if err != nil {
			return Entry{}, fmt.Errorf("grub.cfg: %w", err)
		}
		if !ok {
			break
		}
		if err := s.command(words); err != nil {
			return Entry{}, fmt.Errorf("grub.cfg: %w", err)
		}
	}
	if len(s.blocks) > 0 {
		return Entry{}, errors.New("grub.cfg ends within a block")
	}
	if len(s.entries) == 0 && s.bls {
		return fromEntries(entries, s.variables)
	}
	m, err := s.choice()
	if err != nil {
		return Entry{}, fmt.Errorf("grub.cfg: %w", err)
	}
	return m.Entry, m.trouble
}

// choice is the default entry: by number, title or identifier; the first where nothing is said.
func (s *script) choice() (menu, error) {
	if len(s.entries) == 0 {
		return menu{}, errors.New("it has no menu entry")
	}
	if s.bls {
		return menu{}, errors.New("its menu is made of entries of two kinds")
	}
	if len(s.defaults) == 0 {
		return s.entries[0], nil
	}
	want := s.defaults[len(s.defaults)-1]
	if n, err := strconv.Atoi(want); err == nil && n >= 0 && n < len(s.entries) {
		if slices.ContainsFunc(s.entries[:n], func(m menu) bool { return m.conditional }) {
			return menu{}, fmt.Errorf("its default entry is number %d, and not all before it are always there", n)
		}
		return s.entries[n], nil
	}
	for _, m := range s.entries {
		if m.Title == want || m.id != "" && m.id == want {
			return m, nil
		}
	}
	return menu{}, fmt.Errorf("its default entry %q is not in its menu", want)
}

// conditional says whether what is read now may not be run.
func (s *script) conditional() bool {
	for _, b := range s.blocks {
		if b != "menuentry" {
			return true
		}
	}
	return false
}

func (s *script) command(words []word) error {
	switch name := words[0].text; name {
	case "if", "for", "while", "until":
		s.blocks = append(s.blocks, name)
	case "fi", "done", "}":
		return s.close(name)
	case "then", "else", "elif", "do":
		if len(words) > 1 {
			return s.command(words[1:])
		}
	case "function":
		s.blocks = append(s.blocks, name)
	case "menuentry", "submenu":
		return s.open(name, words[1:])
	case "set":
		s.set(words[1:])
	case "blscfg":
		s.bls = true
	case "linux", "linuxefi", "linux16":
		s.linux(words[1:])
	case "initrd", "initrdefi", "initrd16":
		s.initrd(words[1:])
	}
	return nil
}

func (s *script) close(name string) error {
	if len(s.blocks) == 0 {
		return fmt.Errorf("%q closes nothing", name)
	}
	last := s.blocks[len(s.blocks)-1]
	closes := map[string]string{"if": "fi", "for": "done", "while": "done", "until": "done"}[last]
	if closes == "" {
		closes = "}"
	}
	if closes != name {
		return fmt.Errorf("%q closes %s", name, last)
	}
	s.blocks = s.blocks[:len(s.blocks)-1]
	if len(s.blocks) == 0 {
		s.entry = -1
	}
	return nil
}

// open begins a menu entry. A submenu is one entry of the menu above it, and what is in it none.
func (s *script) open(name string, words []word) error {
	if len(words) < 2 || words[len(words)-1].text != "{" {
		return fmt.Errorf("a %s without a block", name)
	}
	conditional := s.conditional()
	top := len(s.blocks) == 0
	s.blocks = append(s.blocks, name)
	if !top && !conditional {
		return fmt.Errorf("a %s in a menu entry", name)
	}
	if s.inSubmenu() {
		return nil
	}
	m := menu{Entry: Entry{Title: words[0].expanded(s.variables)}}
	for i, w := range words[:len(words)-1] {
		if w.text == "--id" || w.text == "$menuentry_id_option" {
			m.id = words[i+1].expanded(s.variables)
		}
	}
	switch {
	case name == "submenu":
		m.trouble = fmt.Errorf("the entry %q is a menu of its own", m.Title)
	case conditional:
		m.conditional = true
		m.trouble = fmt.Errorf("the entry %q is there on a condition", m.Title)
	}
	s.entries = append(s.entries, m)
	s.entry = len(s.entries) - 1
	return nil
}

// inSubmenu says whether the block that was opened last is within a submenu.
func (s *script) inSubmenu() bool {
	for _, b := range s.blocks[:len(s.blocks)-1] {
		if b == "submenu" || b == "function" {
			return true
		}
	}
	return false
}

// set notes a variable. One that is set on a condition is not known after it, but for the default entry, of whose values the last that is known counts: that is the "else" of what grub-mkconfig writes.
func (s *script) set(words []word) {
	if len(words) == 0 {
		return
	}
	name, _, _ := strings.Cut(words[0].text, "=")
	value, known := words[0].value(s.variables)
	_, value, _ = strings.Cut(value, "=")
	switch {
	case name == "default" && s.entry < 0:
		if known && value != "" {
			s.defaults = append(s.defaults, value)
		}
	case s.conditional() || !known:
		delete(s.variables, name)
	default:
		s.variables[name] = value
	}
}

// current is the entry that commands are read into, nil for none; one that would be run on a condition is not understood.
func (s *script) current(what string) *menu {
	if s.entry < 0 || s.blocks[len(s.blocks)-1] == "submenu" {
		return nil
	}
	m := &s.entries[s.entry]
	if s.blocks[len(s.blocks)-1] != "menuentry" && m.trouble == nil {
		m.trouble = fmt.Errorf("the entry %q has %s on a condition", m.Title, what)
	}
	return m
}

func (s *script) linux(words []word) {
	m := s.current("its kernel")
	if m == nil || m.trouble != nil {
		return
	}
	if len(words) == 0 || m.Kernel != "" {
		m.trouble = fmt.Errorf("the entry %q names no kernel, or two", m.Title)
		return
	}
	var values []string
	for _, w := range words {
		v, known := w.value(s.variables)
		if !known {
			m.trouble = fmt.Errorf("the entry %q has a variable without a known value in its kernel's command line: %s", m.Title, w.text)
			return
		}
		values = append(values, v)
	}
	m.Kernel, m.CommandLine = values[0], strings.Join(dropEmpty(values[1:]), " ")
}

func (s *script) initrd(words []word) {
	m := s.current("its initial ramdisk")
	if m == nil || m.trouble != nil {
		return
	}
	for _, w := range words {
		v, known := w.value(s.variables)
		if !known {
			m.trouble = fmt.Errorf("the entry %q has a variable without a known value in its initial ramdisks: %s", m.Title, w.text)
			return
		}
		m.Initrds = append(m.Initrds, v)
	}
}

func dropEmpty(words []string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}
