package configdrive

import "encoding/json"

// service is one entry of network_data.json's services, as OpenStack's metadata have it.
type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// WithNameServers adds name servers to network data that have none, neither among their services nor on a network of theirs. Without network data the system asks DHCP, which tells of name servers too: nothing
// is added then, since network data with services alone would mean a system without networks. What cannot be read is given back as it is: it is the owner's.
func WithNameServers(networkData []byte, servers []string) []byte {
	var all map[string]json.RawMessage
	if len(networkData) == 0 || len(servers) == 0 || json.Unmarshal(networkData, &all) != nil || all == nil {
		return networkData
	}
	var services []json.RawMessage
	if raw, ok := all["services"]; ok && json.Unmarshal(raw, &services) != nil {
		return networkData
	}
	var networks []struct {
		Services       []service `json:"services"`
		DNSNameservers []string  `json:"dns_nameservers"`
	}
	if raw, ok := all["networks"]; ok && json.Unmarshal(raw, &networks) != nil {
		return networkData
	}
	for _, n := range networks {
		if len(n.DNSNameservers) > 0 || hasDNS(n.Services) {
			return networkData
		}
	}
	for _, raw := range services {
		var s service
		if json.Unmarshal(raw, &s) != nil || s.Type == "dns" {
			return networkData
		}
	}
	for _, address := range servers {
		raw, err := json.Marshal(service{Type: "dns", Address: address})
		if err != nil {
			return networkData
		}
		services = append(services, raw)
	}
	raw, err := json.Marshal(services)
	if err != nil {
		return networkData
	}
	all["services"] = raw
	out, err := json.Marshal(all)
	if err != nil {
		return networkData
	}
	return out
}

func hasDNS(all []service) bool {
	for _, s := range all {
		if s.Type == "dns" {
			return true
		}
	}
	return false
}
