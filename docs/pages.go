// Package docs is the text of the documentation, as it stands beside this file: the programs carry their own, so that what a site reads is about what it runs.
//
// It owns nothing but the choice of files: pages and drawings, without the manual, which is made of the same. Package internal/docsite makes a site of them.
package docs

import "embed"

// Pages are the Markdown files and drawings, by their paths below docs/.
//
//go:embed *.md concepts howto reference
var Pages embed.FS
