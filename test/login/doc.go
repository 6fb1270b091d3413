// Package login tests people's and services' way in as a whole: the real API server, a real OpenID provider that the tests start on loopback (test/issuer), a browser in a few lines, and the
// CLI's own commands. The test's program is the credential plugin that the kubeconfig names, too.
package login
