package support

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/ingotmetal/ingot/audit"
)

// anything is the object that lines of logs are taken for: one whose fields are judged by their names and forms.
var anything = audit.Object{Group: "ingot.dev", Resource: "logs"}

// pem is a private key over several lines, or one that is cut at the end. Package audit knows those that stand in one text.
var pem = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`)

// redactLines redacts a log: a line of JSON member by member, any other as a whole where it looks like it had a credential.
func redactLines(text []byte) []byte {
	text = pem.ReplaceAll(text, []byte("withheld: a private key"))
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "{") && json.Valid([]byte(line)) {
			out.Write(audit.Redact(anything, []byte(line)))
		} else {
			out.WriteString(audit.Text(line))
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}
