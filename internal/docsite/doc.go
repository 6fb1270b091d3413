// Package docsite makes a site of the documentation: as files, for a folder or any web server, and served beside the web page, with a search.
//
// It owns the pages' frame, the check that each link leads somewhere, and the search. It refuses scripts, and fonts and pictures from elsewhere: what it makes works from a disk, behind any server, and under a
// content-security policy of default-src 'self'. HTML in Markdown is left out (goldmark's default), since everything can be said without.
//
// The search is the server's, for the same reason: it needs no script and no index that a browser has to load first. It knows words and no grammar; a page is found once, by its best passage.
//
// Invariants: the same sources give the same bytes; a link or an anchor that leads nowhere is an error, and nothing is made; what somebody searches for is text, wherever it is shown.
package docsite
