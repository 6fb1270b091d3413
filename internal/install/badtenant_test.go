package install_test

// tenantObjects are good objects of the kinds that tenants' machines and addresses are made of; with each kind, whether it stands in a namespace.
var tenantObjects = map[string]struct{ resource, name, spec string }{
	"Machine":         {"machines", "web1", `{size: m1, partition: fra1, image: debian-12, networks: [{name: internal}], sshPublicKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJZ8c4oWvGmZ1J5hRj1x me"]}`},
	"Quota":           {"quotas", "quota", `{machines: 10, addresses: {total: 100}}`},
	"SizeReservation": {"sizereservations", "spare", `{size: m1, partitions: [fra1], amount: 2, tenant: acme}`},
	"Network":         {"networks", "internal", `{type: Super, prefixes: [10.0.0.0/16], childPrefixLength: {ipv4: 24}}`},
	"Firewall": {"firewalls", "edge", `{machine: {size: m1, partition: fra1, image: debian-12}, networks: [{name: web}, {name: internet, namespace: provider, addresses: [edge, www], masquerade: [IPv4], oneToOne: [{ip: www, to: 10.0.0.80}]}],
		egress: [{name: https, protocol: TCP, ports: ["443", "8000-8100"], to: ["0.0.0.0/0", "::/0"], newConnectionsPerSecond: 100}], ingress: [{name: www, protocol: TCP, ports: ["80"], to: [10.0.0.80/32]}],
		dropLog: {group: 7}}`},
	"IP": {"ips", "web1", `{network: {name: internal}, address: 10.0.0.5, type: Static}`},
}

// tenantBad are bad objects of those kinds.
var tenantBad = []badObject{
	{kind: "Machine", name: "neither size nor host", spec: `{size: null}`, field: "spec", reason: "name a size or a host"},
	{kind: "Machine", name: "a size and a host", spec: `{host: {namespace: racks, name: a}}`, field: "spec", reason: "name a size or a host"},
	{kind: "Machine", name: "a size anywhere", spec: `{partition: null}`, field: "spec", reason: "name the partition"},
	{kind: "Machine", name: "no image", spec: `{image: ""}`, field: "spec.image", reason: "at least 1"},
	{kind: "Machine", name: "an image with capitals", spec: `{image: Debian}`, field: "spec.image", reason: "should match"},
	{kind: "Machine", name: "an unknown role", spec: `{role: Switch}`, field: "spec.role", reason: "supported values"},
	{kind: "Machine", name: "a key with options", spec: `{sshPublicKeys: ["command=\"rm\" ssh-ed25519 AAAA"]}`, field: "spec.sshPublicKeys[0]", reason: "should match"},
	{kind: "Machine", name: "a key on two lines", spec: `{sshPublicKeys: ["ssh-ed25519 AAAA me\nssh-ed25519 BBBB you"]}`, field: "spec.sshPublicKeys[0]", reason: "should match"},
	{kind: "Machine", name: "a network twice", spec: `{networks: [{name: a, namespace: n}, {name: a, namespace: n}]}`, field: "spec.networks[1]", reason: "Duplicate"},
	{kind: "Machine", name: "a name server by name", spec: `{dnsServers: [dns.example.net]}`, field: "spec.dnsServers[0]", reason: "write an IP address"},

	{kind: "Quota", name: "nothing bound", spec: `{machines: null, addresses: null}`, field: "spec", reason: "it bounds nothing"},
	{kind: "Quota", name: "fewer than none", spec: `{machines: -1}`, field: "spec.machines", reason: "greater than or equal to 0"},
	{kind: "Quota", name: "no addresses bound", spec: `{addresses: {total: null}}`, field: "spec.addresses", reason: "it bounds nothing"},
	{kind: "SizeReservation", name: "none", spec: `{amount: 0}`, field: "spec.amount", reason: "greater than or equal to 1"},
	{kind: "SizeReservation", name: "nowhere", spec: `{partitions: []}`, field: "spec.partitions", reason: "at least 1"},
	{kind: "SizeReservation", name: "for nobody", spec: `{tenant: ""}`, field: "spec.tenant", reason: "at least 1"},

	{kind: "Network", name: "an unknown type", spec: `{type: Vlan}`, field: "spec.type", reason: "supported values"},
	{kind: "Network", name: "no prefixes", spec: `{prefixes: null}`, field: "spec", reason: "write at least one"},
	{kind: "Network", name: "bits after the length", spec: `{prefixes: [10.0.0.1/16]}`, field: "spec.prefixes[0]", reason: "no bits after its length"},
	{kind: "Network", name: "a child of nobody", spec: `{type: Child, childPrefixLength: null}`, field: "spec", reason: "parent: write it for Child"},
	{kind: "Network", name: "a super network with a parent", spec: `{parent: {name: a}}`, field: "spec", reason: "parent: write it for Child"},
	{kind: "Network", name: "translation inside", spec: `{nat: true}`, field: "spec", reason: "only an External network"},
	{kind: "Network", name: "children of 33 bits", spec: `{childPrefixLength: {ipv4: 33}}`, field: "spec.childPrefixLength.ipv4", reason: "less than or equal to 32"},
	{kind: "IP", name: "another family", spec: `{family: IPv6}`, field: "spec", reason: "write the address's"},
	{kind: "IP", name: "half an address", spec: `{address: "10.0.0"}`, field: "spec.address", reason: "write an address"},
	{kind: "IP", name: "an unknown type", spec: `{type: Eternal}`, field: "spec.type", reason: "supported values"},
	{kind: "IP", name: "no network", spec: `{network: {name: ""}}`, field: "spec.network.name", reason: "at least 1"},
}
