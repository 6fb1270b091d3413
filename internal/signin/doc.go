// Package signin gets a person's tokens from an OpenID Connect issuer: by the browser (authorization code with PKCE on a loopback redirect: RFC 6749, 7636, 8252), or with a code that is
// typed in on another device (RFC 8628); renews them, and has them revoked (RFC 7009).
//
// It owns the protocol and what is checked of an answer: state, issuer, audience, nonce and time. Signatures are the API server's to check: here a token came from the issuer
// itself over verified TLS (OpenID Connect Core 3.1.3.7, item 6). It refuses client secrets, since a program that everybody has can keep none, and issuers without TLS.
// It refuses files: internal/cli/login keeps what is got.
//
// Invariants: no token, code or verifier is in an error, a log or a command line; each login has its own state, nonce and verifier; an answer is read to 1 MiB at most.
package signin
