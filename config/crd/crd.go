// Package crd holds the custom resource definitions that are installed: Ingot's kinds, Metal3's and those of Cluster API's address management at the versions in go.mod, and Calico's kinds that the
// host firewall reads, generated from their Go types.
//
// It owns the bytes. It refuses to apply them; internal/install does. Invariant: every YAML file in this folder is embedded, and none is edited by hand.
package crd

import "embed"

// Files holds one definition a file.
//
//go:embed *.yaml
var Files embed.FS
