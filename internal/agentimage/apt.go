package agentimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// apt fetches Debian packages without installing them.
type apt struct {
	cache    string
	progress func(string)
}

// debianPackage is one version of a package.
type debianPackage struct {
	Name, Version, SHA256 string
	depends               string
}

// String is how apt takes it.
func (p debianPackage) String() string { return p.Name + "=" + p.Version }

// dirName is p in the cache. An epoch's colon is kept out of file names.
func (p debianPackage) dirName() string {
	return p.Name + "_" + strings.ReplaceAll(p.Version, ":", "%3a") + "_" + p.SHA256[:16]
}

// kernel gives the package with the kernel's files, which the flavour's meta package depends on.
func (a apt) kernel(ctx context.Context, f Flavour) (debianPackage, error) {
	meta := map[Flavour]string{Generic: "linux-image-amd64", Cloud: "linux-image-cloud-amd64"}[f]
	if meta == "" {
		return debianPackage{}, fmt.Errorf("no kernel of flavour %q: use %s or %s", f, Generic, Cloud)
	}
	m, err := a.find(ctx, meta)
	if err != nil {
		return debianPackage{}, err
	}
	for dependency := range strings.SplitSeq(m.depends, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(dependency), " ")
		if strings.HasPrefix(name, "linux-image-") {
			return a.find(ctx, name)
		}
	}
	return debianPackage{}, fmt.Errorf("package %s depends on no linux-image package but on %q", meta, m.depends)
}

// find asks apt's index for a package's candidate.
func (a apt) find(ctx context.Context, name string) (debianPackage, error) {
	found, err := a.findAll(ctx, name)
	if err != nil {
		return debianPackage{}, err
	}
	return found[0], nil
}

// findAll asks for the candidates of several packages at once, since apt takes a second to open its index. They come in the order of the names.
func (a apt) findAll(ctx context.Context, names ...string) ([]debianPackage, error) {
	out, err := run(ctx, "", "apt-cache", append([]string{"show", "--no-all-versions"}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("find the Debian packages %s: %w (refresh the index with: apt-get update)", strings.Join(names, ", "), err)
	}
	byName := map[string]debianPackage{}
	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n\n") {
		p, err := parsePackage([]byte(paragraph))
		if err != nil {
			return nil, fmt.Errorf("find the Debian packages %s: %w", strings.Join(names, ", "), err)
		}
		byName[p.Name] = p
	}
	found := make([]debianPackage, 0, len(names))
	for _, name := range names {
		p, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("find the Debian package %s: apt's index has none (refresh it with: apt-get update)", name)
		}
		found = append(found, p)
	}
	return found, nil
}

// parsePackage reads the first paragraph of apt-cache show (deb822).
func parsePackage(text []byte) (debianPackage, error) {
	var p debianPackage
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" {
			break
		}
		key, value, found := strings.Cut(line, ": ")
		if !found || strings.HasPrefix(line, " ") {
			continue
		}
		switch key {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "SHA256":
			p.SHA256 = value
		case "Depends":
			p.depends = value
		}
	}
	if p.Name == "" || p.Version == "" || len(p.SHA256) != 64 {
		return p, fmt.Errorf("apt's index gives name %q, version %q and SHA-256 %q for it", p.Name, p.Version, p.SHA256)
	}
	return p, nil
}

// unpack gives a folder with the package's files.
func (a apt) unpack(ctx context.Context, p debianPackage) (string, error) {
	dir := filepath.Join(a.cache, p.dirName())
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(a.cache, ".unpack-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	a.progress("fetching " + p.String())
	// Root's apt would fetch as the user _apt, who may not write here.
	if _, err := run(ctx, work, "apt-get", "-o", "APT::Sandbox::User=root", "download", p.String()); err != nil {
		return "", fmt.Errorf("fetch %s: %w", p, err)
	}
	debs, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", errors.Join(fmt.Errorf("fetch %s: apt-get download left %d files", p, len(debs)), err)
	}
	got, err := describe(debs[0])
	if err != nil {
		return "", err
	}
	if got.SHA256 != p.SHA256 {
		return "", fmt.Errorf("fetch %s: the file's SHA-256 is %s, the index says %s", p, got.SHA256, p.SHA256)
	}
	a.progress("unpacking " + p.String())
	tree := filepath.Join(work, "tree")
	if _, err := run(ctx, work, "dpkg-deb", "-x", debs[0], tree); err != nil {
		return "", fmt.Errorf("unpack %s: %w", p, err)
	}
	return dir, os.Rename(tree, dir)
}

// run runs a program and gives what it printed; what it complained about is in the error.
func run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return out.Bytes(), nil
}
