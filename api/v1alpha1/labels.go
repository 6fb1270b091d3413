package v1alpha1

// PartitionLabel on a BareMetalHost names the partition that serves it. A host without it belongs to the partition that first made its
// HostLifecycle, which carries the same label; that happens by itself only while there is one Partition.
const PartitionLabel = "ingot.dev/partition"

// OwnDisksAnnotation on a BareMetalHost says which disks outside of the machine are its own all the same: a list with commas of "fc", "iscsi", "nvme-of", "srp" (LUNs and namespaces at the
// other end of a network) and "removable". Without it nothing is wiped on such disks and nothing is written to them. With it they are wiped like the others, each time that the host
// is cleaned, and an image may be written to one that the root device hints mean. A LUN that another machine uses too is lost.
const OwnDisksAnnotation = "ingot.dev/own-disks"

// SystemNamespace holds what the roles share among their own processes: leases of leader elections, the agents' certificate authority.
const SystemNamespace = "ingot-system"
