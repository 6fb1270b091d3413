package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// paxAttribute begins the PAX records of extended attributes, as star, GNU tar and Go write them.
const paxAttribute = "SCHILY.xattr."

// attributes are the kinds that are set. Capabilities last of all: a change of the owner takes them away.
var attributes = []string{"user.", "system.posix_acl_access", "system.posix_acl_default", "security.selinux", "security.ima", "security.capability"}

// describe gives an open file or folder its owner, mode and attributes, in this order: a change of the owner takes set-user-ID bits away.
func (u *unpacker) describe(f *os.File, h *tar.Header) error {
	if err := f.Chown(h.Uid, h.Gid); err != nil {
		return err
	}
	if err := unix.Fchmod(int(f.Fd()), uint32(h.Mode&0o7777)); err != nil {
		return err
	}
	var names []string
	for key := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, paxAttribute); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for _, name := range names {
		if rank(name) < 0 {
			return refused("the extended attribute %.100q", name)
		}
		err := unix.Fsetxattr(int(f.Fd()), name, []byte(h.PAXRecords[paxAttribute+name]), 0)
		if errors.Is(err, unix.EOPNOTSUPP) && h.Typeflag == tar.TypeDir && strings.HasPrefix(name, "system.posix_acl_") {
			continue // a mount point of vfat, whose access is the mount's
		}
		if err != nil {
			return fmt.Errorf("set the extended attribute %s: %w", name, err)
		}
	}
	return nil
}

// rank is an attribute's place in the order, -1 for one that is not set.
func rank(name string) int {
	return slices.IndexFunc(attributes, func(a string) bool { return name == a || strings.HasSuffix(a, ".") && strings.HasPrefix(name, a) })
}
