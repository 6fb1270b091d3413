// Package declared reads the file of --matrix: what a site says about the flows of Ingot's own roles.
//
// It owns the file and the words of the flag. It refuses sockets: what comes out are rows, which socket.Bind takes. It is apart from package identity since the API server, which
// has the flag too, links no user-space network.
package declared

import (
	"fmt"
	"os"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// Usage is what --matrix is, in the words of every program that has it.
const Usage = "file of the site's communication matrix: its rows replace the ports of the built-in rows of the same name"

// Rows are the built-in matrix with the ports of a site's, whose file may be empty for none.
func Rows(file string) ([]matrix.Row, error) {
	if file == "" {
		return matrix.Builtin(), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--matrix: %w", err)
	}
	site, err := document.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("--matrix %s: %w", file, err)
	}
	rows, err := socket.Site(matrix.Builtin(), site.Rows)
	if err != nil {
		return nil, fmt.Errorf("--matrix %s: %w", file, err)
	}
	return rows, nil
}
