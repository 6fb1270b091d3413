package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Machine is what a tenant asks for: a host of a size, or one by its name, with an image, addresses and keys. It stands in its project's namespace. Writers: tenants (spec), the controller role (status).
//
// A Machine has a HostClaim of its own name, which is the controller's: by it the host is bound, served and released. When a Machine is deleted its host is wiped, and the Machine is gone once the wipe is proved.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=ingot
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Role",type=string,JSONPath=`.spec.role`
// +kubebuilder:printcolumn:name="Size",type=string,JSONPath=`.spec.size`
// +kubebuilder:printcolumn:name="Partition",type=string,JSONPath=`.spec.partition`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.status.image.name`
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=`.status.addresses[*].address`
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.status.host.name`
// +kubebuilder:printcolumn:name="Cards",type=string,priority=1,JSONPath=`.status.nics[*].macAddress`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name: it becomes the machine's hostname: use at most 63 of a-z, 0-9 and -"
type Machine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MachineSpec   `json:"spec"`
	Status MachineStatus `json:"status,omitempty"`
}

// MachineList is a list of Machine.
//
// +kubebuilder:object:root=true
type MachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Machine `json:"items"`
}

// MachineRole is what a machine is for.
// +kubebuilder:validation:Enum=Machine;Firewall
type MachineRole string

// The roles.
const (
	RoleMachine  MachineRole = "Machine"
	RoleFirewall MachineRole = "Firewall"
)

// MachineSpec is what a tenant asks for. What the choice of the host rests on cannot be changed; what is installed can, and counts at the next installation (installRequest).
//
// +kubebuilder:validation:XValidation:rule="has(self.size) != has(self.host)",message="size: name a size or a host, and not both"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || has(self.partition)",message="partition: name the partition in which a host of the size is looked for"
// +kubebuilder:validation:XValidation:rule="!has(self.host) || !has(self.placementTags)",message="placementTags: they spread machines over racks, and spec.host leaves nothing to choose: remove one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.size) || !has(self.networks) || self.networks.all(n, !has(n.nic) || !has(n.nic.macAddress))",message="networks: nic.macAddress: any host of the size may be chosen: name the card by its switch, or a VLAN, or name the host"
// +kubebuilder:validation:XValidation:rule="has(self.size) == has(oldSelf.size) && (!has(self.size) || self.size == oldSelf.size)",message="size: a machine's size is that of its host: make another Machine"
// +kubebuilder:validation:XValidation:rule="has(self.host) == has(oldSelf.host) && (!has(self.host) || self.host == oldSelf.host)",message="host: a machine stays on its host: make another Machine"
// +kubebuilder:validation:XValidation:rule="has(self.partition) == has(oldSelf.partition) && (!has(self.partition) || self.partition == oldSelf.partition)",message="partition: a machine stays where it is: make another Machine"
// +kubebuilder:validation:XValidation:rule="has(self.failureDomain) == has(oldSelf.failureDomain) && (!has(self.failureDomain) || self.failureDomain == oldSelf.failureDomain)",message="failureDomain: a machine stays where it is: make another Machine"
// +kubebuilder:validation:XValidation:rule="has(self.networks) == has(oldSelf.networks) && (!has(self.networks) || self.networks == oldSelf.networks)",message="networks: an installed system is not told of other networks: make another Machine"
// +kubebuilder:validation:XValidation:rule="has(self.placementTags) == has(oldSelf.placementTags) && (!has(self.placementTags) || self.placementTags == oldSelf.placementTags)",message="placementTags: the rack is chosen already: make another Machine"
// +kubebuilder:validation:XValidation:rule="has(self.tolerations) == has(oldSelf.tolerations) && (!has(self.tolerations) || self.tolerations == oldSelf.tolerations)",message="tolerations: the host is chosen already: make another Machine"
type MachineSpec struct {
	// Role is Machine or Firewall. A Firewall wants an image with the feature firewall, and counts against the quota of firewalls.
	// +optional
	// +kubebuilder:default=Machine
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a machine keeps its role: make another Machine"
	Role MachineRole `json:"role,omitempty"`
	// Size is the name of a Size: any host of it may be chosen.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Size string `json:"size,omitempty"`
	// Host is the one to have.
	// +optional
	Host *MachineHost `json:"host,omitempty"`
	// Partition is the site.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Partition string `json:"partition,omitempty"`
	// FailureDomain is what the host's label infrastructure.cluster.x-k8s.io/failure-domain (its rack) must be; empty: any.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	FailureDomain string `json:"failureDomain,omitempty"`
	// PlacementTags spread those machines of the project that share one over racks.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	PlacementTags []string `json:"placementTags,omitempty"`
	// Tolerations let the machine have hosts with these taints (labels taint.ingot.dev/KEY).
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Tolerations []MachineToleration `json:"tolerations,omitempty"`

	// Image is the name of an Image, or a shorthand such as debian-12 for the newest of that version. Which one it meant stands in status.image from the moment of the installation on.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Image string `json:"image"`
	// FilesystemLayout is the name of one, for images that are archives; empty: the one whose constraints fit.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	FilesystemLayout string `json:"filesystemLayout,omitempty"`
	// Networks are those that the machine gets addresses of. The first one with a gateway of a family is that family's way out.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +listMapKey=namespace
	// +kubebuilder:validation:MaxItems=16
	Networks []MachineNetwork `json:"networks,omitempty"`
	// SSHPublicKeys are lines as in authorized_keys, without options.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:Pattern=`^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh[.]com) [A-Za-z0-9+/]+=*( [^\n\r]*)?$`
	SSHPublicKeys []string `json:"sshPublicKeys,omitempty"`
	// UserData is the name of a Secret of the same namespace, whose key userData or value is given to the installed system as it is.
	// +optional
	UserData *MachineSecret `json:"userData,omitempty"`
	// DNSServers of the installed system; empty: the partition's, or else the networks'.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="write an IP address"
	DNSServers []string `json:"dnsServers,omitempty"`
	// NTPServers of the installed system, addresses or names; empty: the partition's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) || self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$')",message="write an IP address or a host name"
	NTPServers []string `json:"ntpServers,omitempty"`
	// Online says whether the machine is to be on.
	// +optional
	// +kubebuilder:default=true
	Online *bool `json:"online,omitempty"`
	// InstallRequest has the machine wiped and installed anew each time that its value changes, with the image that spec.image means then. All that is on its disks is lost.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	InstallRequest string `json:"installRequest,omitempty"`
}

// MachineHost names a BareMetalHost.
type MachineHost struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// MachineSecret names a Secret of the machine's namespace.
type MachineSecret struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// MachineToleration tolerates a taint.
type MachineToleration struct {
	// Key is the taint's: what stands behind taint.ingot.dev/ in the host's label.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	Key string `json:"key"`
	// Value is the taint's; empty: any.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Value string `json:"value,omitempty"`
}

// MachineNetwork is a network that a machine is in.
type MachineNetwork struct {
	// Name is the Network's.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// Namespace is the Network's; empty: the machine's own.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$`
	Namespace string `json:"namespace"`
	// Addresses are the names of IPs of the machine's namespace; empty: one is made for each family that the network has, which goes with the machine.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Addresses []string `json:"addresses,omitempty"`
	// NIC is by which card the machine is in the network.
	// +optional
	NIC *MachineNIC `json:"nic,omitempty"`
}

// MachineNIC chooses by which of the host's network cards a machine is in a network. An ordinary machine has every network that says nothing on its boot card; a firewall's networks never share one, and where nothing says
// which card is meant (this, a VLAN of the network's name that the switch announces by LLDP, or that only one card is left) it is not installed.
//
// +kubebuilder:validation:XValidation:rule="has(self.macAddress) || has(self.switch) || has(self.vlan)",message="nic: name a card by macAddress or by switch and port, or a vlan, or remove it"
// +kubebuilder:validation:XValidation:rule="!has(self.macAddress) || !has(self.switch)",message="macAddress: name the card by its address or by its switch, and not by both"
// +kubebuilder:validation:XValidation:rule="!has(self.port) || has(self.switch)",message="port: name its switch, too"
type MachineNIC struct {
	// MACAddress is the card's.
	// +optional
	// +kubebuilder:validation:MaxLength=17
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`
	MACAddress string `json:"macAddress,omitempty"`
	// Switch is the system name or the chassis ID that the switch at the card's other end announces by LLDP.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Switch string `json:"switch,omitempty"`
	// Port is the port ID that it announces; it is needed where several cards are at the switch.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Port string `json:"port,omitempty"`
	// VLAN has the network's frames carried with this tag. Without a card it is the one whose switch announces the VLAN, or else the boot card.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4094
	VLAN int32 `json:"vlan,omitempty"`
}

// MachineNICStatus is the card that carries a network.
type MachineNICStatus struct {
	// Network is the Network as "namespace/name".
	Network string `json:"network"`
	// MACAddress is the card's, in lower case.
	MACAddress string `json:"macAddress"`
	// VLAN is the tag of the network's frames, 0 for none.
	VLAN int32 `json:"vlan,omitempty"`
	// Name is the card's at inspection; the installed system may call it otherwise.
	Name string `json:"name,omitempty"`
	// Switch and Port are what the card is plugged into, by LLDP.
	Switch string `json:"switch,omitempty"`
	Port   string `json:"port,omitempty"`
}

// MachinePhase is how far a machine is, in one word for people.
type MachinePhase string

// The phases.
const (
	// MachinePending: something that it names is missing, or its addresses are not there yet.
	MachinePending MachinePhase = "Pending"
	// MachineWaiting: no host can be had.
	MachineWaiting MachinePhase = "Waiting"
	// MachineInstalling: the host is bound, and is being installed.
	MachineInstalling MachinePhase = "Installing"
	// MachineReady: the image is on its disk, and the machine is on.
	MachineReady MachinePhase = "Ready"
	// MachineOff: the image is on its disk, and the machine is off.
	MachineOff MachinePhase = "Off"
	// MachineReinstalling: it is being wiped, to be installed anew.
	MachineReinstalling MachinePhase = "Reinstalling"
	// MachineReleasing: it is being wiped, to be given back.
	MachineReleasing MachinePhase = "Releasing"
	// MachineLost: its host is gone, or somebody took it.
	MachineLost MachinePhase = "Lost"
)

// The conditions of a Machine, beside those that its host shows (Healthy).
const (
	// MachineReadyCondition sums up the others.
	MachineReadyCondition = "Ready"
	// MachineImageCondition says whether spec.image means an image that may be used.
	MachineImageCondition = "ImageResolved"
	// MachineAddressesCondition says whether all addresses are given.
	MachineAddressesCondition = "AddressesReady"
	// MachineHostCondition says whether the machine has a host, and else why there is none, host by host.
	MachineHostCondition = "HostBound"
	// MachineInstalledCondition says whether the image is on the host's disk.
	MachineInstalledCondition = "Installed"
)

// MachineFinalizer keeps a Machine until its host is wiped and free.
const MachineFinalizer = "ingot.dev/machine"

// MachineStatus is what became of it.
type MachineStatus struct {
	// Phase is for people; programs look at the conditions.
	Phase MachinePhase `json:"phase,omitempty"`
	// Host is the BareMetalHost that the machine has.
	Host *MachineHost `json:"host,omitempty"`
	// Image is what spec.image meant when the machine was installed last.
	Image *MachineImage `json:"image,omitempty"`
	// InstallRequest is the value of spec.installRequest that the present installation answers.
	InstallRequest string `json:"installRequest,omitempty"`
	// Hostname is what the installed system calls itself.
	Hostname string `json:"hostname,omitempty"`
	// Addresses are in the order of spec.networks.
	// +optional
	// +listType=atomic
	Addresses []MachineAddress `json:"addresses,omitempty"`
	// NICs are the network cards of spec.networks, in their order, as the installed system was told.
	// +optional
	// +listType=atomic
	NICs []MachineNICStatus `json:"nics,omitempty"`
	// SSHHostKey is the public key of the machine's SSH server, as in authorized_keys, for a machine that was told one: who dials it through the mesh takes no other.
	SSHHostKey string `json:"sshHostKey,omitempty"`
	// PoweredOn is what the host's BMC says.
	PoweredOn bool `json:"poweredOn,omitempty"`
	// InstalledAt is when the image was seen on the disk.
	InstalledAt *metav1.Time `json:"installedAt,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MachineImage is an image with all that its name could leave open.
type MachineImage struct {
	// Name is the Image's.
	Name string `json:"name"`
	URL  string `json:"url"`
	// Digest is "sha256:" or "sha512:" and hexadecimal digits; of an OCI image it is the manifest's.
	Digest string `json:"digest,omitempty"`
	Format string `json:"format,omitempty"`
}

// MachineAddress is one that the machine has.
type MachineAddress struct {
	// Network is the Network as "namespace/name"; IP the name of the IP in the machine's namespace.
	Network string `json:"network"`
	IP      string `json:"ip"`
	Address string `json:"address"`
	// PrefixLength is the subnet's, in bits.
	PrefixLength int32    `json:"prefixLength,omitempty"`
	Gateway      string   `json:"gateway,omitempty"`
	DNSServers   []string `json:"dnsServers,omitempty"`
}
