// Package hostclaim binds HostClaims of tenants to BareMetalHosts of other namespaces, carries what a claim asks for to its host, and brings back how the host is.
//
// It owns Metal3's HostClaim, the consumerRef of hosts that are claimed, and the copies of a claim's Secrets beside its host. It refuses the choice, which is package claim's, and everything
// that is done to a machine: the partition role reads the host's spec as it does any other's. A HostDeployPolicy counts when a host is chosen; one that closes later takes no machine away.
//
// A binding is two writes. The first is the intent, in the claim's status under the claim's resource version. The second decides: the host's consumerRef, under the resource version of a
// host that was read before the claim was read again and found to have that intent still. An intent that is given up is marked first, then the host is written once without effect (an
// annotation), and only then is another host chosen: a process that was about to bind by the old intent has then lost its resource version. So it may die anywhere, and two may
// run at once, for as long as they like.
//
// Invariants:
//   - A host has one claim, and a claim one host. A claim that lost its host does not get another by itself: what it had is on the first one's disks.
//   - A host is let go of only once the partition role has taken the image off and proved the wipe (HostLifecycle.status.cleanedAt), whatever cleaning mode the host had.
//   - Secrets go from the claim's namespace to the host's, as copies of a type of their own, and never back. They go before the host does. No reference of a claim is followed out of its namespace.
//   - A tenant is told nothing of hosts in namespaces that are not open to it, nor who else has a host, nor what a host's messages say, where a BMC's address may stand.
package hostclaim
