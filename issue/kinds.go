package issue

// The issues. Those after metal-stack's list have its name behind them.
const (
	NoPartition        ID = "no-partition"            // no-partition
	NoLifecycle        ID = "no-life-cycle"           // no-event-container
	LivelinessDead     ID = "liveliness-dead"         // liveliness-dead
	LivelinessUnknown  ID = "liveliness-unknown"      // liveliness-unknown
	AgentSilent        ID = "agent-silent"            // liveliness-not-available
	FailedReclaim      ID = "failed-reclaim"          // failed-machine-reclaim
	CrashLoop          ID = "crash-loop"              // crashloop
	LastStepFailed     ID = "last-step-failed"        // last-event-error
	NoBMC              ID = "no-bmc"                  // bmc-without-ip
	BMCShared          ID = "bmc-shared"              // bmc-no-distinct-ip
	MACShared          ID = "mac-shared"              // bmc-without-mac: here a machine is told from others by its boot MAC
	EvidenceOutdated   ID = "evidence-outdated"       // bmc-info-outdated
	NumberShared       ID = "number-shared"           // asn-not-unique, of VRFs too
	CertificateRefused ID = "bmc-certificate-refused" // from here on ours
	CredentialsRefused ID = "bmc-credentials-refused"
	CredentialsMissing ID = "bmc-credentials-missing"
	WipeFailed         ID = "wipe-failed"
	TPMRefused         ID = "tpm-refused"
	Overdue            ID = "overdue"
	Blocked            ID = "blocked"
	HealthCritical     ID = "health-critical"
	HealthWarning      ID = "health-warning"
	BurnInFailed       ID = "burn-in-failed"
	NoSize             ID = "no-size"
	FirmwareDiffers    ID = "firmware-differs"
	PartitionUnserved  ID = "partition-unserved"
	ScanImpossible     ID = "scan-impossible"
	ReservationShort   ID = "reservation-short"
	MachineLost        ID = "machine-lost"
	ImageExpired       ID = "image-expired"
	MachineWaiting     ID = "machine-waiting"
	MachineUnwell      ID = "machine-unwell"
	HostLeaked         ID = "host-leaked"
	CopiesLeaked       ID = "copies-leaked"
	AddressLeaked      ID = "address-leaked"
	AddressUnrecorded  ID = "address-unrecorded"
	AddressOrphaned    ID = "address-orphaned"
	NetworkNotReady    ID = "network-not-ready"
	NetworkFull        ID = "network-full"
	NetworkScarce      ID = "network-nearly-full"
	AddressRefused     ID = "address-refused"
	AddressShared      ID = "address-shared"
	AddressUnowned     ID = "address-unowned"
)

// Kinds is what every issue means.
func Kinds() []Kind {
	const host, record = "Host", "HostLifecycle status."
	return []Kind{
		{NoPartition, Major, host, "no partition serves the host", "label the host ingot.dev/partition=NAME; `ingot partition capacity` shows which there are", "BareMetalHost metadata.labels"},
		{NoLifecycle, Major, host, "the partition has not taken the host up", "see whether the partition role of its partition runs: `ingot partition --partition NAME`", "HostLifecycle"},
		{LivelinessDead, Critical, host, "the BMC does not answer", "see whether the BMC has power and network, and whether spec.bmc.address is right", record + "failure"},
		{LivelinessUnknown, Major, host, "nobody has looked at the host when it was due", "see whether the partition role of its partition runs, and its log", record + "outcome.nextAttempt"},
		{AgentSilent, Major, host, "the agent on the machine stopped calling", "`ingot host console-log NAME` says what it said last", record + "boot.silentSince"},
		{FailedReclaim, Critical, host, "the host could not be taken back from its owner", "`ingot host explain NAME` says what fails; until it is wiped nobody gets it", record + "failure"},
		{CrashLoop, Major, host, "the same thing fails again and again", "`ingot host events NAME` shows the attempts", record + "failure.count, imageFailures"},
		{LastStepFailed, Minor, host, "what was done last has failed", "`ingot host events NAME` shows it; it is tried again", record + "timeline"},
		{NoBMC, Major, host, "the host names no BMC", "set spec.bmc.address and spec.bmc.credentialsName", "BareMetalHost spec.bmc"},
		{BMCShared, Critical, host, "several hosts are of one BMC, or one machine of it", "they are one machine: delete all but one of them", "BareMetalHost spec.bmc.address, " + record + "bmc"},
		{MACShared, Critical, host, "several hosts boot from one MAC address", "correct spec.bootMACAddress; `ingot host get NAME` shows the machine's own", "BareMetalHost spec.bootMACAddress"},
		{EvidenceOutdated, Minor, host, "the hardware was inspected long ago", "annotate the host inspect.metal3.io when it is free", record + "hardware.inspectedAt"},
		{NumberShared, Critical, "Network", "several networks have one ASN or VRF", "give all but one of them another number", "Network status"},
		{CertificateRefused, Critical, host, "the BMC shows a certificate that is not trusted", "put the BMC's CA into the Partition, or a good certificate onto the BMC", record + "failure"},
		{CredentialsRefused, Critical, host, "the BMC refuses user or password", "correct the Secret that spec.bmc.credentialsName names", record + "failure"},
		{CredentialsMissing, Major, host, "the Secret with user and password of the BMC is missing or not whole", "create the Secret that spec.bmc.credentialsName names, with username and password", record + "outcome"},
		{WipeFailed, Critical, host, "a disk was not wiped", "`ingot host get NAME -o wide` has the evidence; replace the disk, or ask for another way to erase it", record + "wipes"},
		{TPMRefused, Critical, host, "an agent was not let in by its TPM", "`ingot host explain NAME` says which key it showed; after a new mainboard the pinned key has to be taken back", "BootWindow status"},
		{Overdue, Major, host, "what is waited for has not come in its time", "`ingot host explain NAME` says what is waited for", record + "outcome.deadline"},
		{Blocked, Major, host, "nothing goes on until a person does something", "`ingot host explain NAME` says what", record + "outcome"},
		{HealthCritical, Critical, host, "the BMC says that the machine is broken", "look at the sensors and log entries that are named, and repair it", record + "health"},
		{HealthWarning, Minor, host, "the BMC says that something of the machine is not well", "look at the sensors and log entries that are named", record + "health"},
		{BurnInFailed, Major, host, "the machine failed its burn-in", "`ingot host get NAME` has the tests", record + "burnIn"},
		{NoSize, Minor, host, "the host is of no size, or of several, so that nobody gets it by its size", "`ingot size match` says why", "BareMetalHost metadata.labels"},
		{FirmwareDiffers, Minor, host, "the firmware is another than that of most hosts of the model and size", "update it: HostFirmwareComponents; or update the others", record + "hardware.firmware, bmc"},
		{PartitionUnserved, Major, "Partition", "no partition role has ever served the partition", "start one: `ingot partition --partition NAME`", "Partition status"},
		{ScanImpossible, Minor, "Partition", "BMCs cannot be looked for", "correct spec.discovery.bmcScan", "Partition status.bmcScan"},
		{ReservationShort, Major, "SizeReservation", "fewer hosts are free than are held back", "add hosts, or free some, or make the reservation smaller", "SizeReservation status"},
		{MachineLost, Critical, "Machine", "the machine's host is gone, or somebody took it", "`ingot machine explain NAME` says what became of it", "Machine status"},
		{ImageExpired, Minor, "Machine", "the installed image is out of date and no longer offered", "install a newer one: spec.image, spec.installRequest", "Image spec.expiresAt"},
		{MachineWaiting, Major, "Machine", "the machine is not ready, and has not been for half an hour", "`ingot machine explain NAME` says what it waits for", "Machine status.conditions Ready"},
		{MachineUnwell, Minor, "Machine", "the machine's host is not well", "ask its provider", "Machine status.conditions Healthy"},
		{HostLeaked, Major, host, "the host is held for a claim that does not have it", "it is wiped and taken back by itself after 15 minutes; a host that is locked, paused or detached is not: end that, or remove spec.consumerRef when its disks are clean", "BareMetalHost spec.consumerRef"},
		{CopiesLeaked, Major, host, "copies of a claim's Secrets may lie beside a host that the claim does not have", "they are deleted by themselves after 15 minutes, while the controller role runs", "BareMetalHost metadata.annotations"},
		{AddressLeaked, Minor, "IP", "the address is held for a Machine that is gone", "it is given back by itself after 15 minutes; or delete the IP", "IP metadata.ownerReferences"},
		{AddressUnrecorded, Critical, "IP", "the IP shows an address that is not recorded as its own, so that another may get it", "it is recorded by itself at once; where it is not, `ingot ip explain NAME` says who has the address: delete one of them", "AddressRecord spec.held"},
		{AddressOrphaned, Minor, "IP", "an address is recorded for an IP that is gone", "it is given back by itself within 10 minutes; where it is not, see whether the controller role runs, and its log", "AddressRecord spec.held"},
		{NetworkNotReady, Major, "Network", "the network has no prefixes or numbers of its own", "do what its condition says; nobody gets an address of it until then", "Network status.conditions"},
		{NetworkFull, Major, "Network", "no IPv4 address is free", "release some (`ingot ip list`), or add a prefix", "Network status.freeIPv4"},
		{NetworkScarce, Minor, "Network", "less than a tenth of the IPv4 addresses is free", "`ingot network usage` says where they are; release some, or add a prefix", "Network status.freeIPv4"},
		{AddressRefused, Major, "IP", "the IP has no address", "`ingot ip explain NAME` says why, and what helps", "IP status.conditions"},
		{AddressShared, Critical, "IP", "several IPs of one VRF show one address", "delete all but the one that `ingot ip explain ADDRESS` names", "IP status.address"},
		{AddressUnowned, Minor, "IP", "an ephemeral IP belongs to nothing that would take it along", "`ingot ip free NAME` if nobody needs it, or give it the type Static", "IP metadata.ownerReferences"},
	}
}
