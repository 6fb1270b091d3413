// Package agentimage makes what a machine boots into the agent: a kernel of Debian's and a ramdisk with the agent as init.
//
// It owns the choice of kernel modules (patterns.go), their dependency closure, which it reads from the modules' own .modinfo sections, the ramdisk's archive and
// the cache. It refuses the boot media, which internal/bootmedia makes of the result, and compiling the agent. Nothing is installed and no privilege is
// needed: the packages are fetched with apt-get download, which verifies them, and unpacked with dpkg-deb.
//
// The result is a folder:
//
//	vmlinuz        the kernel
//	initrd.img     the ramdisk: a newc archive, zstd
//	manifest.json  Manifest: what it was made of, digests, the kernel's command line
//
// Invariants: the same packages and the same agent give the same bytes; a folder with a manifest is complete, since the manifest is written last; a build
// whose key is the manifest's does nothing.
package agentimage
