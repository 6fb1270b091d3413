// Package web is the page that people see a site by: its server side, which the controller role runs, and the built front end (dist, made from web/ by `make web`).
//
// It owns sessions, the pages' contents, and how they reach a browser. Each page is one URL in three forms, by what is asked for: text/html gives the front end, application/json (or the URL with
// .json) the page's content, text/event-stream the same content and then its changes, as watches of the API server tell them: nothing is polled.
// It refuses decisions: what a host waits for, what is wrong, what is free come from the pure packages that the CLI uses (lifecycle, issue, capacity), so that both tell one story.
//
// It refuses rights of its own: all that is read or written for a person goes to the API server with that person's token or certificate, and shows what these may do. The role's own identity is
// used for one thing, the API's list of kinds.
//
// Invariants: nothing is served without a session but the front end's files, the documentation (package internal/docsite), and the ways to log in; a cookie is no script's to read and no other site's to send; no token is in a URL, a log or an
// answer; a page loads nothing from elsewhere and runs no inline script.
//
// How it is tested: here against the real API server; test/web drives it in a browser, on a site with simulated machines.
package web
