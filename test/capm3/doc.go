// Package capm3 holds Ingot to what Cluster API's provider for Metal3 (CAPM3, version 1.13) asks of BareMetalHosts.
//
// CAPM3 itself is not run. The public checksum database answers for none of its modules (cluster-api-provider-metal3 and its api, ip-address-manager), so that nobody can tell whether
// what a module proxy hands out is what its authors published, and a program that reads every Secret of a site is not built from such sources, in a test either. Its place is taken by the type
// provider: it writes to a host what CAPM3 1.13 writes, by the same merge patches and in the same order, and goes on when CAPM3 would, by the same fields (read in CAPM3's managers of
// Metal3Machines, Metal3Datas and Metal3Remediations). What CAPM3 does beside hosts (templates, IP pools, conditions of its own kinds) is left out: Ingot never sees it. That CAPM3's own program runs
// is thus not shown here.
//
// What is real: Ingot with all its roles, Metal3's Go types, Cluster API's definitions of its kinds, and clusterctl 1.13.2, built unchanged by the module in clusterctl/, which moves a cluster
// with its hosts from one site to another.
//
// It owns the list of a host's fields that CAPM3 uses. It refuses to look into Ingot: what CAPM3 cannot see is judged by the machines' disks and power only.
package capm3
