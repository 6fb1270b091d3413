package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Partition is one site: a provisioning network and the roles that serve it. Writers: an operator (spec), the partition role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="Network",type=string,JSONPath=`.spec.provisioningNetwork.cidr`
// +kubebuilder:printcolumn:name="DHCP",type=string,JSONPath=`.spec.provisioningNetwork.dhcpMode`
// +kubebuilder:printcolumn:name="Agent endpoint",type=string,JSONPath=`.status.agentEndpoint`
type Partition struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PartitionSpec   `json:"spec"`
	Status PartitionStatus `json:"status,omitempty"`
}

// PartitionList is a list of Partition.
//
// +kubebuilder:object:root=true
type PartitionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Partition `json:"items"`
}

// PartitionSpec describes a site.
type PartitionSpec struct {
	// ProvisioningNetwork is where machines boot the agent.
	ProvisioningNetwork ProvisioningNetwork `json:"provisioningNetwork"`
	// TPM is what is asked of machines' TPMs before their agents are let in; nil: prefer, on every way of booting.
	// +optional
	TPM *TPMPolicy `json:"tpm,omitempty"`
	// Discovery records machines that ask to boot and are no hosts; nil: they are counted and forgotten.
	// +optional
	Discovery *DiscoveryPolicy `json:"discovery,omitempty"`
	// BMCAccount says whose accounts log in to the BMCs; nil: Ingot's own, with a new password every 90 days.
	// +optional
	BMCAccount *BMCAccountPolicy `json:"bmcAccount,omitempty"`
	// Boot is how the agent is started; nil: as its image has it.
	// +optional
	Boot *BootConfiguration `json:"boot,omitempty"`
	// DNSServers are the site's, for the agent where provisioningNetwork.dnsServers is empty, and for installed machines that are given no others.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="spec.dnsServers: a name server is asked by its address: write an IPv4 or IPv6 address"
	DNSServers []string `json:"dnsServers,omitempty"`
	// NTPServers are the site's time servers, for what boots on the provisioning network (DHCP options 42 and 56, addresses only), and for installed machines that are given no others.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) || (self.matches('^([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)([.][a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$') && !self.matches('^[0-9.]+$'))",message="spec.ntpServers: write an address or a host name"
	NTPServers []string `json:"ntpServers,omitempty"`
	// ManagementServices are where operators reach the partition role from where they are, in the order of trying; empty: at status.operatorEndpoint. What answers must show that endpoint's certificate.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=261
	// +kubebuilder:validation:items:Pattern=`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}$`
	ManagementServices []string `json:"managementServices,omitempty"`
}

// BootConfiguration is how the agent is started.
type BootConfiguration struct {
	// KernelArguments are added to the agent's kernel command line where it is booted over the network (PXE, iPXE), for hardware that needs them: "nomodeset", "pci=noaer". The medium of virtual media and of UEFI
	// HTTP boot is one for all sites and has the arguments that it was built with (ingot image build-agent --kernel-argument). What Ingot sets itself (consoles, initrd, rdinit, panic, log level, its own words)
	// cannot be set here, nor can what would take the machine away from the agent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[a-zA-Z0-9][a-zA-Z0-9_.-]*(=[a-zA-Z0-9_.,:/+@-]*)?$`
	// +kubebuilder:validation:XValidation:rule="self.all(a, !(a.split('=')[0] in ['console', 'initrd', 'init', 'rdinit', 'root', 'panic', 'loglevel', 'quiet', 'single', 'emergency', 'rescue', 'no_timer_check', 'BOOT_IMAGE', 'netconsole', 'ip', 'nfsroot', 'module', 'lockdown', 'iomem', 'memmap', 'mem', 'kgdboc', 'kgdbwait', 'dyndbg']) && !a.startsWith('ingot'))",message="spec.boot.kernelArguments: one of them is Ingot's own to set, or would take the machine away from the agent (console, initrd, init, rdinit, root, panic, loglevel, ip, netconsole, ...): leave it out"
	KernelArguments []string `json:"kernelArguments,omitempty"`
}

// DiscoveryPolicy says what becomes of unknown machines. They are never answered.
type DiscoveryPolicy struct {
	// Namespace is where their DiscoveredHosts are made, and hosts of those that are accepted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`
	// BMCScan asks ranges of addresses for BMCs; nil: nobody is asked.
	// +optional
	BMCScan *BMCScan `json:"bmcScan,omitempty"`
	// BMCVendorClasses are what this site's BMCs begin DHCP option 60 with, beside those that Ingot knows (discovery.VendorClasses): who asks for an address with one of them is recorded as a BMC.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=64
	BMCVendorClasses []string `json:"bmcVendorClasses,omitempty"`
}

// BMCScan is where BMCs are looked for, and how often. An address is asked for its Redfish service root over HTTPS, without a login, and for its IPMI capabilities, which need none. No password is sent, and
// nothing outside of the ranges is asked.
type BMCScan struct {
	// Ranges are of the BMC network: an address, a subnet, or the first and last address, like 10.0.0.10-10.0.0.99. All of them together are at most 65,536 addresses. The first and the last address of an
	// IPv4 subnet are left out.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=96
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) || isCIDR(self) || (self.split('-').size() == 2 && self.split('-').all(a, isIP(a)))",message="write an address, a subnet like 10.0.0.0/24, or a range like 10.0.0.10-10.0.0.99"
	Ranges []string `json:"ranges"`
	// IntervalMinutes is from the beginning of one pass to that of the next, give or take a tenth. A pass that takes longer is followed by the next.
	// +optional
	// +kubebuilder:default=360
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=10080
	IntervalMinutes int32 `json:"intervalMinutes,omitempty"`
	// ProbesPerSecond is how much is asked at most, by both protocols together.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=200
	ProbesPerSecond int32 `json:"probesPerSecond,omitempty"`
	// RedfishPort and IPMIPort are what this site's BMCs listen on, which must be ports of the rows partition-to-bmc and partition-to-bmc-ipmi where those have any.
	// +optional
	// +kubebuilder:default=443
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	RedfishPort int32 `json:"redfishPort,omitempty"`
	// +optional
	// +kubebuilder:default=623
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	IPMIPort int32 `json:"ipmiPort,omitempty"`
}

// ScanAnnotation on a Partition has its BMC ranges asked at once, each time that the value changes.
const ScanAnnotation = "ingot.dev/scan-bmcs"

// BMCScanStatus is the last pass over the BMC ranges.
type BMCScanStatus struct {
	// Problem is why there is no pass; empty: there is none.
	Problem string `json:"problem,omitempty"`
	// Request is the value of ScanAnnotation that was acted on last.
	Request string `json:"request,omitempty"`
	// Ranges are those that the pass was, or is, over.
	Ranges []string `json:"ranges,omitempty"`
	// StartedAt is when the last pass began, FinishedAt when the last one that came to its end did. A pass that a restart broke off begins anew.
	StartedAt  *metav1.Time `json:"startedAt,omitempty"`
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Addresses is how many the pass has, Probed how many of them were asked so far, which is written every minute.
	Addresses int32 `json:"addresses,omitempty"`
	Probed    int32 `json:"probed,omitempty"`
	// Answered is how many of them were BMCs, New how many DiscoveredHosts were made of them.
	Answered int32 `json:"answered,omitempty"`
	New      int32 `json:"new,omitempty"`
	// NotRecorded is how many more would have been made, had not too many been waiting for an operator already.
	NotRecorded int32 `json:"notRecorded,omitempty"`
	// NextAt is when the next pass begins.
	NextAt *metav1.Time `json:"nextAt,omitempty"`
}

// DHCPMode is what the boot role answers.
// +kubebuilder:validation:Enum=server;proxy;off
type DHCPMode string

// The DHCP modes.
const (
	// DHCPServer gives addresses (reservations from open windows) and boot files.
	DHCPServer DHCPMode = "server"
	// DHCPProxy gives boot files only, beside a foreign DHCP server.
	DHCPProxy DHCPMode = "proxy"
	// DHCPOff answers nothing: virtual media only.
	DHCPOff DHCPMode = "off"
)

// ProvisioningNetwork is the network that machines boot from.
type ProvisioningNetwork struct {
	// CIDR is the subnet, IPv4 or IPv6; empty when DHCPMode is not server. With an IPv6 subnet addresses and boot files are given by DHCPv6.
	CIDR string `json:"cidr,omitempty"`
	// RangeStart and RangeEnd bound the addresses given to machines, both included.
	RangeStart string `json:"rangeStart,omitempty"`
	RangeEnd   string `json:"rangeEnd,omitempty"`
	// Gateway and DNSServers go into leases. On an IPv6 network Gateway stays empty: its router tells of itself by router advertisements.
	Gateway    string   `json:"gateway,omitempty"`
	DNSServers []string `json:"dnsServers,omitempty"`
	// DHCPMode is server, proxy or off.
	// +kubebuilder:default=off
	DHCPMode DHCPMode `json:"dhcpMode,omitempty"`
	// BootServer is the address of the boot role on this network (next-server, TFTP).
	BootServer string `json:"bootServer,omitempty"`
	// RouterAdvertisements is managed where no router of the link sends advertisements: the boot servers then tell machines of the IPv6 subnet, and that addresses come by DHCPv6. They
	// never offer themselves as the way out.
	// +optional
	RouterAdvertisements RouterAdvertisements `json:"routerAdvertisements,omitempty"`
}

// RouterAdvertisements is what the boot role advertises on an IPv6 provisioning network.
// +kubebuilder:validation:Enum=none;managed
type RouterAdvertisements string

// What is advertised.
const (
	// AdvertisedNone: nothing, since a router of the site does it. The default.
	AdvertisedNone RouterAdvertisements = "none"
	// AdvertisedManaged: the subnet as on-link, and the flags M and O (RFC 4861 §4.2).
	AdvertisedManaged RouterAdvertisements = "managed"
)

// PartitionStatus is what the partition role found.
type PartitionStatus struct {
	// AgentEndpoint is the URL that agents dial; MediaEndpoint the one that BMCs fetch virtual media from.
	AgentEndpoint string `json:"agentEndpoint,omitempty"`
	MediaEndpoint string `json:"mediaEndpoint,omitempty"`
	// HTTPBootEndpoint is the URL that firmware fetches media from by UEFI HTTP boot; empty: there is none.
	HTTPBootEndpoint string `json:"httpBootEndpoint,omitempty"`
	// OperatorEndpoint is the URL where the CLI reads logs that are no API objects.
	OperatorEndpoint string `json:"operatorEndpoint,omitempty"`
	// ConsoleEndpoint is the URL of the console role as people reach it, ConsoleSSHEndpoint the host and port of its SSH server; empty: there is none.
	ConsoleEndpoint    string `json:"consoleEndpoint,omitempty"`
	ConsoleSSHEndpoint string `json:"consoleSSHEndpoint,omitempty"`
	// CABundle is the PEM of the CA that these endpoints show.
	CABundle []byte `json:"caBundle,omitempty"`
	// BMCScan is the last pass over spec.discovery.bmcScan.
	BMCScan    *BMCScanStatus     `json:"bmcScan,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
