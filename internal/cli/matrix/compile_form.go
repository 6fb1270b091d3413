package matrix

import (
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/access"
	"github.com/ingotmetal/ingot/matrix/identity"
	"github.com/ingotmetal/ingot/matrix/markdown"
	"github.com/ingotmetal/ingot/matrix/mesh"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// tables are the published table, or of each host the rows that it is an end of.
func (o compiling) tables(m matrix.Matrix, hosts []matrix.Host) []file {
	if len(hosts) == 0 {
		return []file{{m.Name + ".md", markdown.Export(m)}}
	}
	var files []file
	for _, h := range hosts {
		p := place{ends: endsOf(h)}
		part := m
		part.Title = fmt.Sprintf("%s: host %s", orName(m), h.Name)
		part.Rows = nil
		for _, r := range m.Rows {
			if p.here(r.From) || p.here(r.To) {
				part.Rows = append(part.Rows, r)
			}
		}
		if len(part.Rows) == 0 {
			o.say("host %s is an end of no row: its table is empty", h.Name)
		}
		files = append(files, file{h.Name + ".md", markdown.Export(part)})
	}
	return files
}

func orName(m matrix.Matrix) string {
	if m.Title != "" {
		return m.Title
	}
	return m.Name
}

// has says which roles a host has.
func has(h matrix.Host) func(matrix.Role) bool {
	return func(r matrix.Role) bool {
		return slices.ContainsFunc(h.Interfaces, func(i matrix.Interface) bool { return slices.Contains(i.Roles, r) })
	}
}

// rights are RBAC objects. A role's are whole in every host's part that has it, since objects of one name must not differ.
func (o compiling) rights(m matrix.Matrix, hosts []matrix.Host) ([]file, error) {
	write := func(name string, objects identity.Objects, nobody string) (file, error) {
		text, err := objects.YAML()
		if objects.Empty() {
			o.say("%s", nobody)
			text = []byte("# " + nobody + "\n")
		}
		return file{name, text}, err
	}
	if len(hosts) == 0 {
		f, err := write("rbac.yaml", access.Objects(m), fmt.Sprintf("No row of the matrix %s has rights at the API server (spec.flows[].rights): there is nothing to bind.", m.Name))
		return []file{f}, err
	}
	var files []file
	for _, h := range hosts {
		f, err := write(h.Name+"-rbac.yaml", identity.RBACOf(m, has(h)), fmt.Sprintf("No row from a role of host %s has rights at the API server (spec.flows[].rights): there is nothing to bind.", h.Name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// profiles are the certificates that the rows call for.
func (o compiling) profiles(m matrix.Matrix, hosts []matrix.Host) ([]file, error) {
	write := func(name string, profiles []identity.Profile, none string) (file, error) {
		if len(profiles) == 0 {
			o.say("%s", none)
		}
		text, err := identity.YAML(profiles)
		return file{name, text}, err
	}
	all := identity.Profiles(m)
	if len(hosts) == 0 {
		f, err := write("certificates.yaml", all, fmt.Sprintf("No row of the matrix %s names an identity (spec.flows[].identity, serverIdentity): there is no certificate to issue.", m.Name))
		return []file{f}, err
	}
	var files []file
	for _, h := range hosts {
		own := slices.DeleteFunc(slices.Clone(all), func(p identity.Profile) bool { return !has(h)(p.Role) })
		f, err := write(h.Name+"-certificates.yaml", own, fmt.Sprintf("No row names an identity of a role of host %s (spec.flows[].identity, serverIdentity): it needs no certificate.", h.Name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// mesh is the policy of all hosts.
func (o compiling) mesh(m matrix.Matrix) ([]file, error) {
	if !slices.ContainsFunc(m.Rows, func(r matrix.Row) bool { return mesh.Carries(m, r) }) {
		o.say("No row of the matrix %s has both of its zones on the plane %q: the mesh's policy allows nothing.", m.Name, mesh.Plane)
	}
	text, err := mesh.Policy(m)
	return []file{{"headscale.json", text}}, err
}

// policies are Calico's manifests.
func (o compiling) policies(m matrix.Matrix, objects calico.Objects, hosts []matrix.Host) ([]file, error) {
	if len(hosts) == 0 {
		if len(objects.HostEndpoints) == 0 {
			o.say("The matrix %s names no hosts (spec.hosts): its policies select no endpoint yet.", m.Name)
		}
		text, err := policy.YAML(objects)
		return []file{{"policies.yaml", text}}, err
	}
	var files []file
	for _, h := range hosts {
		text, err := policy.YAML(policy.Part(objects, h.Name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{h.Name + "-policies.yaml", text})
	}
	return files, nil
}
