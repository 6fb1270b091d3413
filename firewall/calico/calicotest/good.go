package calicotest

// Everything is a stream of manifests that have every field that a host firewall reads.
const Everything = `
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: platform}
spec: {order: 100, defaultAction: Pass}
--- # the next
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata:
  name: node1-control
  labels: {plane: control, role/master: ""}
  uid: 5c8f
  resourceVersion: "77"
  creationTimestamp: "2026-01-01T00:00:00Z"
spec:
  node: node1
  interfaceName: cp0
  expectedIPs: [10.1.0.1, "fd00::1", 10.1.0.100]
  profiles: [open]
  ports: [{name: https, protocol: TCP, port: 8443}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec:
  tier: platform
  order: 1.5
  selector: plane == 'control'
  types: [Ingress, Egress]
  applyOnForward: true
  ingress:
  - action: Allow
    protocol: TCP
    source:
      selector: has(role/infra)
      notNets: [10.9.0.0/16]
      namespaceSelector: global()
    destination:
      ports: [22, "80:90", "443", https]
    metadata: {annotations: {ingot.dev/flow: "7.1"}}
  - {action: Log, protocol: 112}
  egress:
  - {action: Deny, ipVersion: 4, protocol: ICMP, icmp: {type: 8, code: 0}, destination: {nets: [10.0.0.9/8]}}
  - {action: Pass, notProtocol: UDPLite}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: s}
spec: {stagedAction: Delete, egress: [{action: Allow}]}
---
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- {apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: ntp, labels: {set: ntp}}, spec: {nets: [192.0.2.0/24, 192.0.2.7, "2001:db8::/32"]}}
- {apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: {name: ntp, namespace: apps}, spec: {}}
- {apiVersion: projectcalico.org/v3, kind: Profile, metadata: {name: open}, spec: {ingress: [{action: Allow}], labelsToApply: {zone: a}}}
- {apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: pods, namespace: apps}, spec: {}}
---
`
