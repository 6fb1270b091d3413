package firstboot

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"
)

// Mesh is by what a machine joins the mesh, and how it answers SSH there and nowhere else.
type Mesh struct {
	// Hostname is what the machine calls itself in the mesh; nothing is decided by it.
	Hostname, Coordinator string
	// Key is good once. It is in the text that Join makes, and the system deletes it when it has joined.
	Key string
	// CA is PEM, of the coordinator and its relays.
	CA string
	// HostKey is the private key of the machine's SSH server as OpenSSH writes it: who dials knows its other half.
	HostKey string
	// Authority is a line as in authorized_keys: whom it signs for Principal is let in as root. Empty: nobody's certificate counts.
	Authority, Principal string
}

// end closes each file within the script.
const end = "END-OF-INGOT-FILE"

// script is run by the system's shell as root, once. What it writes comes in by documents within the script and never as a program's argument. Its own text goes when it is done.
const script = `#!/bin/sh
# Ingot: this machine joins the mesh, and answers SSH there alone.
set -eu
umask 077
mkdir -p /etc/ingot-mesh
cat > /etc/ingot-mesh/key <<'{{.End}}'
{{.Key}}
{{.End}}
cat > /etc/ingot-mesh/ca.crt <<'{{.End}}'
{{.CA}}
{{.End}}
cat > /etc/default/ingot-mesh-member <<'{{.End}}'
INGOT_MESH_OPTIONS="--coordinator {{.Coordinator}} --hostname {{.Hostname}} --forward 22=127.0.0.1:22"
{{.End}}
cat > /etc/ssh/ingot_host_key <<'{{.End}}'
{{.HostKey}}
{{.End}}
umask 022
mkdir -p /etc/ssh/ingot-principals /etc/ssh/sshd_config.d
{{- if .Authority}}
cat > /etc/ssh/ingot_authority.pub <<'{{.End}}'
{{.Authority}}
{{.End}}
cat > /etc/ssh/ingot-principals/root <<'{{.End}}'
{{.Principal}}
{{.End}}
{{- end}}
cat > /etc/ssh/sshd_config.d/00-ingot-mesh.conf <<'{{.End}}'
ListenAddress 127.0.0.1:22
HostKey /etc/ssh/ingot_host_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
{{- if .Authority}}
TrustedUserCAKeys /etc/ssh/ingot_authority.pub
AuthorizedPrincipalsFile /etc/ssh/ingot-principals/%u
{{- end}}
{{.End}}
if systemctl is-enabled --quiet ssh.socket 2>/dev/null; then
	systemctl disable --now ssh.socket
	systemctl enable ssh.service
fi
systemctl restart ssh.service || systemctl restart sshd.service
if ! command -v ingot-mesh-member >/dev/null; then
	echo "ingot: the image lacks the package ingot-mesh-member: this machine does not join the mesh, and answers SSH on loopback only" >&2
	exit 1
fi
systemctl enable --now ingot-mesh-member.service
rm -f -- "$0"
`

// Join is the part by which a system joins. Values come from the site, and are refused where they could leave their place in the script.
func Join(m Mesh) (Part, error) {
	for name, value := range map[string]string{"key": m.Key, "CA": m.CA, "SSH host key": m.HostKey} {
		if strings.TrimSpace(value) == "" || strings.Contains(value, end) {
			return Part{}, fmt.Errorf("write how a machine joins the mesh: the %s is empty or cannot be written", name)
		}
	}
	for name, value := range map[string]string{"coordinator": m.Coordinator, "host name": m.Hostname} {
		if value == "" || strings.ContainsAny(value, " \t\r\n\"'\\$`") {
			return Part{}, fmt.Errorf("write how a machine joins the mesh: the %s %q cannot be written", name, value)
		}
	}
	if strings.ContainsAny(m.Authority+m.Principal, "\r\n") || (m.Authority == "") != (m.Principal == "") {
		return Part{}, fmt.Errorf("write how a machine joins the mesh: the SSH authority %q and the principal %q do not go together", m.Authority, m.Principal)
	}
	m.Key, m.CA, m.HostKey = strings.TrimSpace(m.Key), strings.TrimSpace(m.CA), strings.TrimSpace(m.HostKey)
	t, err := template.New("join").Parse(script)
	if err != nil {
		return Part{}, fmt.Errorf("write how a machine joins the mesh: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, struct {
		Mesh
		End string
	}{m, end}); err != nil {
		return Part{}, fmt.Errorf("write how a machine joins the mesh: %w", err)
	}
	return Part{"text/x-shellscript", "mesh", b.Bytes()}, nil
}
