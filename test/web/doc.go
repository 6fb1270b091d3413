// Package web drives the web page in a real browser, against a real `ingot up` with simulated machines.
//
// It owns the site, who logs in, and the run of web/test, which speaks to headless Chromium: each page's main job by clicks and by keys, no error on the console, no violation of the page's
// policy, and nothing serious that axe finds. It holds too that the front end that is committed is what its sources give. It refuses times: those are bench's.
package web
