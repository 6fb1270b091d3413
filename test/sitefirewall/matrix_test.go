package sitefirewall_test

import (
	"fmt"
	"strings"
)

// plan is what of the site's matrix changes in the story.
type plan struct {
	// shop is the port that customers reach the web server by.
	shop int
	// manager is the role at whose end the management rows begin; empty: there are none.
	manager string
}

// row is a flow whose properties are nobody's matter here.
func row(id, name, from, to, more string) string {
	const holds = "{state: Holds, how: TLS 1.3}"
	return fmt.Sprintf("  - {id: %q, name: %s, from: %q, to: %q, confidential: %s, integrity: %s, authenticated: %s, trusted: %s, identity: a, serverIdentity: b, purpose: %s, %s}\n",
		id, name, from, to, holds, holds, holds, holds, name, more)
}

// matrix is the site as an object of the API. The API server, the controller and the operators are at one address, as they are on a small site.
func (p plan) matrix() string {
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: ingot.dev/v1alpha1
kind: CommunicationMatrix
metadata: {name: shop}
spec:
  title: Shop
  zones:
  - {name: dmz, title: DMZ}
  - {name: data, title: Data}
  - {name: management, title: Management, outside: true, networks: [%s/32, %s/32]}
  - {name: public, title: The public, outside: true, networks: [%s/32]}
  roles:
  - {name: web, title: Web server, purpose: serves the shop}
  - {name: database, title: Database, purpose: keeps orders}
  - {name: controller, title: Controller, purpose: dials hosts back, outside: true, networks: [%[1]s/32]}
  - {name: apiserver, title: API server, purpose: has the policies, outside: true, networks: [%[1]s/32]}
  - {name: elsewhere, title: A bastion that is off, purpose: nobody is there, outside: true, networks: [%[2]s/32]}
  hosts:
  - {name: web1, interfaces: [{name: eth0, zone: dmz, roles: [web], addresses: [%[4]s]}]}
  - {name: db1, interfaces: [{name: eth0, zone: data, roles: [database], addresses: [%[5]s]}]}
  flows:
`, center, bastion, customer, web, database)
	b.WriteString(row("1.1", "customer-to-web", "*@public", "web@dmz", fmt.Sprintf("protocol: tcp, ports: [%d], application: HTTPS", p.shop)))
	b.WriteString(row("1.2", "web-to-database", "web@dmz", "database@data", "protocol: tcp, ports: [5432], application: TLS"))
	b.WriteString(row("1.3", "web-to-queue", "database@data", "web@dmz", "protocol: tcp, ports: [6000], application: TLS"))
	b.WriteString(row("2.1", "dmz-to-api", "*@dmz", "apiserver@management", "protocol: tcp, ports: [6443], application: HTTPS"))
	b.WriteString(row("2.2", "data-to-api", "*@data", "apiserver@management", "protocol: tcp, ports: [6443], application: HTTPS"))
	if p.manager != "" {
		b.WriteString(row("3.1", "manager-to-dmz", p.manager+"@management", "*@dmz", "protocol: tcp, ports: [22], application: SSH, management: true"))
		b.WriteString(row("3.2", "manager-to-data", p.manager+"@management", "*@data", "protocol: tcp, ports: [22], application: SSH, management: true"))
	}
	return b.String()
}
