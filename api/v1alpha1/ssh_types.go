package v1alpha1

// BMCSSHHostKeyAnnotation on a BareMetalHost names the key that its BMC's SSH server shows, where the serial console is reached by SSH: its fingerprint as ssh-keygen writes it ("SHA256:" and 43 characters of base64).
// Without it, and without spec.bmc.disableCertificateVerification, the console is refused: the BMC's password is sent to nobody who is not known.
const BMCSSHHostKeyAnnotation = "ingot.dev/bmc-ssh-host-key"

// ConsoleNamespace is where the key of the site's SSH authority stands, in the Secret SSHAuthoritySecret. No tenant reads Secrets there, and no role but the console's lists or makes any.
const ConsoleNamespace = "ingot-console"

// SSHAuthoritySecret has the authority's private key at SSHAuthorityKey, as OpenSSH writes it.
const (
	SSHAuthoritySecret = "ssh-authority"
	SSHAuthorityKey    = "ssh-privatekey"
)
