// Package coldplug gives the devices of a machine their kernel modules, without udev, depmod or modprobe.
//
// It owns the module index that the ramdisk carries (Index, written by internal/agentimage), the matching of a device's modalias with a module's
// aliases, and the order in which a module and what it depends on are loaded. Loading itself is Kernel, so that the order can be tested. It refuses policy: the ramdisk
// holds the modules that the agent may need, and every one of them whose alias matches is loaded.
//
// Aliases are grouped by bus (the part before the first colon), and of each only those whose literal beginning fits are matched as a pattern: trying every
// pattern of every module on every device takes seconds on a slow machine.
//
// Invariants: a module is loaded after what it depends on; a module is tried once; a module that cannot be loaded is reported and does not keep others back.
package coldplug
