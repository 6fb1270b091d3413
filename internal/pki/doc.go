// Package pki is Ingot's own certificate authority: who may be called what, for how long, and how a certificate gets to the process that shows it.
//
// It owns the CA (one key, P-256), the certificate profiles of the roles, and the reload of certificates that changed on disk. The control plane uses one
// CA for its serving certificate and for every client; each partition uses one of its own for its agents, with the key in a Secret.
//
// It refuses revocation lists: certificates live for hours and are renewed at half their life, which bounds a lost key better than a list that
// nobody fetches. It refuses names from requests: a certificate request proves possession of a key, every name comes from the profile that the signer chose.
//
// Invariants: every key is ECDSA P-256; a leaf never outlives its CA; a leaf is never a CA; a private key is written with mode 0600 before the
// certificate that belongs to it is.
package pki
