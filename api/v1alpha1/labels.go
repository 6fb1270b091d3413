package v1alpha1

// PartitionLabel on a BareMetalHost names the partition that serves it. A host without it belongs to the partition that first made its
// HostLifecycle, which carries the same label; that happens by itself only while there is one Partition.
const PartitionLabel = "ingot.dev/partition"

// OwnDisksAnnotation on a BareMetalHost says which disks outside of the machine are its own all the same: a list with commas of "fc", "iscsi", "nvme-of", "srp" (LUNs and namespaces at the
// other end of a network) and "removable". Without it nothing is wiped on such disks and nothing is written to them. With it they are wiped like the others, each time that the host
// is cleaned, and an image may be written to one that the root device hints mean. A LUN that another machine uses too is lost.
const OwnDisksAnnotation = "ingot.dev/own-disks"

// EraseAnnotation on a BareMetalHost says how its disks are erased when it is cleaned: one of "metadata" (the default), "discard", "overwrite" and "secure-erase", or a list with
// commas of which the first that can be proved is taken ("secure-erase,overwrite"). Nothing weaker than the list is ever taken; a host whose disks cannot be
// erased as it says is not offered. Where spec.automatedCleaningMode is disabled, nothing is erased and this says nothing.
const EraseAnnotation = "ingot.dev/erase"

// EraseDisksAnnotation on a BareMetalHost has rules for single disks, by serial number or WWN, with semicolons between them: "serial:S4EMNX0R=keep;wwn:0x5000c500a1b2c3d4=overwrite". A
// disk that is kept is not touched by cleaning, and an image goes to it only where the root device hints name its serial number or WWN.
const EraseDisksAnnotation = "ingot.dev/erase-disks"

// SystemNamespace holds what the roles share among their own processes: leases of leader elections, the agents' certificate authority.
const SystemNamespace = "ingot-system"

// TenantLabel and ProjectLabel on a Namespace make it a project: with both it is project P of tenant T; with TenantLabel alone it is the tenant's own, whose Quota holds for the sum of all its projects. Who may
// set them is a provider's right.
const (
	TenantLabel  = "ingot.dev/tenant"
	ProjectLabel = "ingot.dev/project"
)

// CordonAnnotation on a BareMetalHost keeps it from being given to anybody new; its value says why. Who has the host keeps it.
const CordonAnnotation = "ingot.dev/cordoned"

// LockAnnotation on a BareMetalHost keeps it as it is: nobody new gets it, and it is not released from whom it has, so that nothing on its disks is wiped until the annotation goes. Its value says why.
const LockAnnotation = "ingot.dev/locked"

// TaintLabelPrefix begins the labels of a BareMetalHost that keep Machines and HostClaims away which do not tolerate them: "taint.ingot.dev/flaky: fan" is the taint flaky=fan.
const TaintLabelPrefix = "taint.ingot.dev/"

// FirstBootHostAnnotation is on a certificate request that the partition role makes for a Firewall's machine: the host whose system showed its one-time token, as "namespace/name".
const FirstBootHostAnnotation = "ingot.dev/first-boot-host"
