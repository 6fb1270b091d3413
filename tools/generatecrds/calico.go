package main

import (
	"fmt"
	"maps"
	"slices"
)

// The texts that projectcalico.org/v3 takes where it also takes numbers. They say what firewall/calico's decoder says, as far as a pattern can.
const (
	portNumber       = `0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5]?[0-9]{1,4})`
	portPattern      = `^([a-zA-Z0-9_-]{0,127}[a-zA-Z_][a-zA-Z0-9_-]{0,127}|` + portNumber + `(:` + portNumber + `)?)$`
	protocolPattern  = `^(TCP|UDP|ICMP|ICMPv6|SCTP|UDPLite)$`
	protocolWithPort = `^(TCP|UDP|SCTP)$`
)

// bounds of a number, and the pattern of a string.
type bounds struct {
	low, high int64
	pattern   string
}

// numbersOrNames are the fields that hold either, by kind where kinds differ.
func numbersOrNames(kind, field string) (bounds, bool) {
	switch {
	case field == "protocol" && kind == "HostEndpoint":
		return bounds{1, 255, protocolWithPort}, true
	case field == "protocol" || field == "notProtocol":
		return bounds{1, 255, protocolPattern}, true
	case field == "ports" || field == "notPorts":
		return bounds{0, 65535, portPattern}, true
	}
	return bounds{}, false
}

// boundNumbersOrNames adds bounds to every field that is a number or a string: controller-gen takes no such marker on them, while the API server applies each bound to
// the type that it is about. A field that is not known here is an error: it would take anything.
func boundNumbersOrNames(crd map[string]any) error {
	kind := crd["spec"].(map[string]any)["names"].(map[string]any)["kind"].(string)
	for _, v := range crd["spec"].(map[string]any)["versions"].([]any) {
		if err := boundIn(kind, "", v.(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)); err != nil {
			return err
		}
	}
	return nil
}

func boundIn(kind, field string, schema map[string]any) error {
	if schema["x-kubernetes-int-or-string"] == true {
		b, ok := numbersOrNames(kind, field)
		if !ok {
			return fmt.Errorf("%s: field %s holds a number or a string, and nothing says which ones", kind, field)
		}
		schema["minimum"], schema["maximum"], schema["pattern"] = b.low, b.high, b.pattern
	}
	if items, ok := schema["items"].(map[string]any); ok {
		if err := boundIn(kind, field, items); err != nil {
			return err
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if err := boundIn(kind, name, properties[name].(map[string]any)); err != nil {
			return err
		}
	}
	return nil
}
