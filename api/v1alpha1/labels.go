package v1alpha1

// PartitionLabel on a BareMetalHost names the partition that serves it. A host without it belongs to the partition that first made its
// HostLifecycle, which carries the same label; that happens by itself only while there is one Partition.
const PartitionLabel = "ingot.dev/partition"

// SystemNamespace holds what the roles share among their own processes: leases of leader elections, the agents' certificate authority.
const SystemNamespace = "ingot-system"
