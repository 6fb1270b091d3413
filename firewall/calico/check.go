package calico

import "fmt"

// Check says whether objects fit together: names are unique, and what is named exists. Calico waits for what is missing, with the endpoint closed or
// the policy without effect; in a set of files it is an error of whoever wrote them. The error is a Problems.
func Check(o Objects) error {
	var problems Problems
	report := func(object, path, format string, args ...any) {
		problems = append(problems, Problem{object, path, fmt.Sprintf(format, args...)})
	}
	seen := map[string]bool{}
	once := func(kind string, m Meta) string {
		object := kind + "/" + m.Name
		if m.Namespace != "" {
			object = kind + "/" + m.Namespace + "/" + m.Name
		}
		if seen[object] {
			report(object, "metadata.name", "is used twice: the second would replace the first")
		}
		seen[object] = true
		return object
	}
	tiers, profiles := map[string]bool{}, map[string]bool{DefaultAllow: true}
	for _, t := range FixedTiers() {
		tiers[t.Name] = true
	}
	for _, t := range o.Tiers {
		once("Tier", t.Meta)
		tiers[t.Name] = true
	}
	for _, p := range o.Profiles {
		once("Profile", p.Meta)
		profiles[p.Name] = true
	}
	for _, s := range o.NetworkSets {
		kind := "GlobalNetworkSet"
		if s.Namespace != "" {
			kind = "NetworkSet"
		}
		once(kind, s.Meta)
	}
	for _, p := range o.Policies {
		object := once(string(p.Kind), p.Meta)
		if !tiers[p.Tier] {
			report(object, "spec.tier", "there is no tier %s: declare it", p.Tier)
		}
	}
	for _, e := range o.HostEndpoints {
		object := once("HostEndpoint", e.Meta)
		for i, name := range e.Profiles {
			if !profiles[name] {
				report(object, fmt.Sprintf("spec.profiles[%d]", i), "there is no profile %s: the endpoint would be closed", name)
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// Merge joins objects of several files.
func Merge(parts ...Objects) Objects {
	var all Objects
	for _, p := range parts {
		all.HostEndpoints = append(all.HostEndpoints, p.HostEndpoints...)
		all.Policies = append(all.Policies, p.Policies...)
		all.NetworkSets = append(all.NetworkSets, p.NetworkSets...)
		all.Tiers = append(all.Tiers, p.Tiers...)
		all.Profiles = append(all.Profiles, p.Profiles...)
	}
	return all
}
