package v1alpha1

// BMCCertificateAnnotation on a BareMetalHost pins the certificate that its BMC shows: "sha256:" and the 64 lower-case hexadecimal digits of its SHA-256 digest (of the DER), or two of those with a comma between
// them while a certificate is being changed. A pinned BMC is known by that certificate and nothing else: no CA, name or time of validity counts, and spec.bmc.disableCertificateVerification does not either.
const BMCCertificateAnnotation = "ingot.dev/bmc-certificate"
