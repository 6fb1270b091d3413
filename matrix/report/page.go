package report

import (
	"html"
	"strings"
)

// style serves a screen, light or dark, and paper.
const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--quiet:#59636e;--line:#d1d9e0;--band:#f6f8fa;--ground:#fff;--yes:#116329;--no:#9a4b00;--gap:#b3202c}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--quiet:#9198a1;--line:#3d444d;--band:#161b22;--ground:#0d1117;--yes:#56d364;--no:#f0a03c;--gap:#ff7b72}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem;max-width:110rem;font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{max-width:60rem}.quiet{color:var(--quiet)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
caption{text-align:left;color:var(--quiet);padding:.25rem 0}
th,td{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left;vertical-align:top}
thead th{position:sticky;top:0;background:var(--band);white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}
td.number{text-align:right;font-variant-numeric:tabular-nums}
td.state{min-width:4.5rem;max-width:16rem}.state small{display:block;color:var(--quiet)}
td:last-child{min-width:15rem}small{line-height:1.3}code{overflow-wrap:anywhere}
.yes{color:var(--yes)}.no{color:var(--no);font-weight:600}.gap{color:var(--gap);font-weight:600}
code{font:13px/1.4 ui-monospace,monospace}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0}
@media print{body{font-size:9pt;padding:0;max-width:none}thead{display:table-header-group}thead th{position:static}tr{break-inside:avoid}h2{break-after:avoid}.scroll{overflow:visible}}
`

// page is one whole HTML document.
func page(title, body string) []byte {
	return []byte(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + text(title) + `</title>
<style>` + style + `</style>
</head>
<body>
` + body + `</body>
</html>
`)
}

// text escapes foreign text for HTML, in elements and in quoted attributes.
func text(s string) string { return html.EscapeString(clean(s)) }

// element is <name attributes>content</name>; content is HTML already.
func element(name, attributes, content string) string {
	if attributes != "" {
		attributes = " " + attributes
	}
	return "<" + name + attributes + ">" + content + "</" + name + ">"
}

// grid is a table with headers for columns and, in the first column, for rows. Cells are HTML already; an empty one of the first column is no header.
func grid(caption string, headers []string, rows [][]string) string {
	var b strings.Builder
	b.WriteString(`<div class="scroll" role="region" tabindex="0" aria-label="` + text(caption) + `">` + "\n<table>\n")
	b.WriteString(element("caption", "", text(caption)) + "\n<thead><tr>")
	for _, h := range headers {
		b.WriteString(element("th", `scope="col"`, text(h)))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range rows {
		b.WriteString("<tr>")
		for i, cell := range row {
			switch {
			case i == 0:
				b.WriteString(element("th", `scope="row"`, cell))
			case strings.HasPrefix(cell, "<td"):
				b.WriteString(cell)
			default:
				b.WriteString(element("td", "", cell))
			}
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table>\n</div>\n")
	return b.String()
}
