package docsite

const frame = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}} · Ingot</title>
<link rel="stylesheet" href="{{.Up}}style.css">
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header><a class="brand" href="{{.Up}}index.html">Ingot</a>
<a class="phone" href="#pages">All pages</a>
{{if .Served}}<form action="{{.Up}}search" role="search"><input name="q" type="search" value="{{.Query}}" aria-label="Search the documentation" maxlength="200" required><button>Search</button></form>
<a href="/">To the site's page</a>
{{end}}</header>
<div class="columns">
<nav id="pages" aria-label="Pages">
{{range .Groups}}<h2>{{.Title}}</h2>
<ul>
{{range .Links}}<li><a href="{{.To}}"{{if .Here}} aria-current="page"{{end}}>{{.Title}}</a></li>
{{end}}</ul>
{{end}}</nav>
<main id="content">
{{.Body}}</main>
</div>
</body>
</html>
`

const style = `:root{--text:#1b1f24;--dim:#59636e;--ground:#fff;--soft:#f3f6f9;--line:#c5ced8;--link:#0b5cad}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--dim:#9198a1;--ground:#0d1117;--soft:#151b23;--line:#3d444d;--link:#6cb2ff}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.55 system-ui,"DejaVu Sans",sans-serif;color:var(--text);background:var(--ground)}
a{color:var(--link)}a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--ground);padding:4px 8px}
header{padding:12px 24px;border-bottom:1px solid var(--line);display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center}header .brand{font-weight:700;font-size:20px;text-decoration:none;color:var(--text)}
form{display:flex;gap:8px;flex:0 1 420px;margin-left:auto}input{flex:1;min-width:0}input,button{font:inherit;color:inherit;background:var(--ground);border:1px solid var(--line);border-radius:4px;padding:4px 8px}
button{background:var(--soft);cursor:pointer}input:focus-visible,button:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.hits{list-style:none;padding:0}.hits li{margin:0 0 20px}.hits a{font-weight:600}.hits p{margin:2px 0 0}.dim{color:var(--dim)}mark{background:none;color:inherit;font-weight:700;text-decoration:underline}
.columns{display:flex;max-width:1280px;margin:0 auto}
nav{flex:0 0 240px;padding:16px 24px}nav h2{font-size:13px;color:var(--dim);margin:16px 0 4px}nav ul{list-style:none;margin:0;padding:0}
nav a{display:block;padding:3px 8px;text-decoration:none;border-radius:4px}nav a[aria-current]{background:var(--soft);color:var(--text);font-weight:600}
main{flex:1;min-width:0;padding:8px 24px 64px;overflow-wrap:anywhere}
h1,h2,h3{line-height:1.25}h2{margin-top:2em}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:12px;white-space:pre-wrap}
code{font:0.875em ui-monospace,"DejaVu Sans Mono",monospace;background:var(--soft);border-radius:3px;padding:1px 3px}pre code{padding:0;background:none}
table{display:block;overflow-x:auto;border-collapse:collapse}th,td{border:1px solid var(--line);padding:4px 8px;text-align:left;vertical-align:top}th{background:var(--soft)}
img{max-width:100%;height:auto}
.phone{display:none}
@media(max-width:800px){.columns{flex-direction:column-reverse;justify-content:flex-end}main{flex:none}nav{flex:none;padding:8px 24px;border-top:1px solid var(--line)}nav a{padding:6px 8px}.phone{display:inline}}
`
