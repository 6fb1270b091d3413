package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

func count(n int, of string) string { return strconv.Itoa(n) + " " + of }

// cells looks at what the four security cells leave open.
func (c *checker) cells() {
	var empty, how []string
	for _, r := range c.m.Rows {
		var blank, unknown, bare []string
		for _, cell := range r.Cells() {
			switch {
			case cell.State == matrix.Blank:
				blank = append(blank, cell.Name)
			case cell.State == matrix.Unknown:
				unknown = append(unknown, cell.Name)
			case cell.State == matrix.Excepted:
				c.exception(r, cell)
			case cell.How == "":
				bare = append(bare, cell.Name)
			}
		}
		if len(blank) == len(r.Cells()) {
			empty = append(empty, r.ID)
		} else if len(blank) > 0 {
			c.add(Finding{
				Code: BlankCell, Rows: []string{r.ID}, What: fmt.Sprintf("%s of %s to %s is blank", list(blank), r.From, r.To),
				Why: "a blank cell can mean that the property does not hold, or that nobody looked",
				Fix: "say that it holds and how, or that it does not, why, and within which bound",
			})
		}
		if len(unknown) > 0 {
			c.add(Finding{
				Code: UnknownCell, Rows: []string{r.ID}, What: fmt.Sprintf("%s of %s to %s has a question mark", list(unknown), r.From, r.To),
				Why: "whether the flow is protected depends on a party that nobody asked",
				Fix: "ask, or demand it where the site chooses the party",
			})
		}
		if len(bare) > 0 {
			how = append(how, r.ID)
		}
	}
	if len(empty) > 0 {
		c.add(Finding{
			Code: BlankCell, Rows: empty, What: count(len(empty), "rows have no security cell at all"),
			Why: "nothing is known of how these flows are protected",
			Fix: "fill the cells, or take the rows for what they are: ports",
		})
	}
	if len(how) > 0 {
		c.add(Finding{
			Code: HoldsWithoutHow, Rows: how, What: count(len(how), "rows have a property that holds, and do not say how"),
			Why: "what gives the property (mutual TLS, a token, a network) cannot be checked while it has no name",
			Fix: "say how each property is given",
		})
	}
}

func (c *checker) exception(r matrix.Row, cell matrix.Cell) {
	if cell.How == "" {
		c.add(Finding{
			Code: ExceptionWithoutReason, Rows: []string{r.ID}, What: fmt.Sprintf("%s of %s to %s does not hold, without a reason", cell.Name, r.From, r.To),
			Why: "an exception that nobody explains cannot be judged, and is copied", Fix: "say why it does not hold",
		})
	}
	if cell.Bound == "" {
		c.add(Finding{
			Code: ExceptionWithoutBound, Rows: []string{r.ID}, What: fmt.Sprintf("%s of %s to %s does not hold, without a bound", cell.Name, r.From, r.To),
			Why: "nothing limits what can happen because of the exception", Fix: "say what limits it: what is sent, to whom, how long, what checks it afterwards",
		})
	}
}

// missing says that a property is known not to hold, or was left blank in a row where other cells are filled.
func missing(r matrix.Row, p matrix.Property) bool {
	gaps := 0
	for _, cell := range r.Cells() {
		if cell.Gap() {
			gaps++
		}
	}
	return p.State == matrix.Excepted || p.State == matrix.Blank && gaps < len(r.Cells())
}

// protection holds the cells against what is spoken.
func (c *checker) protection() {
	for _, r := range c.m.Rows {
		nature, _ := matrix.NatureOf(r.Application)
		var lost []string
		for name, p := range map[string]matrix.Property{"confidentiality": r.Confidential, "integrity": r.Integrity} {
			if missing(r, p) {
				lost = append(lost, name)
			}
		}
		slices.Sort(lost)
		if nature.Encrypts && len(lost) > 0 && !explained(r) {
			c.add(Finding{
				Code: UnprotectedApplication, Rows: []string{r.ID}, What: fmt.Sprintf("%s from %s to %s is said to have no %s", r.Application, r.From, r.To, strings.Join(lost, " and no ")),
				Why: "whoever speaks " + string(r.Application) + " encrypts, with integrity: either the cells or the application are wrong",
				Fix: "fill the cells, or name the application that is really spoken (HTTP, TCP)",
			})
		}
		if nature.Plain && r.Confidential.Holds() {
			c.add(Finding{
				Code: ProtectedPlain, Rows: []string{r.ID}, What: fmt.Sprintf("%s from %s to %s is said to be confidential", r.Application, r.From, r.To),
				Why: string(r.Application) + " does not encrypt: something below or inside must, which the row does not name as what is spoken",
				Fix: "name the application that encrypts, or say that the property does not hold",
			})
		}
		if missing(r, r.Confidential) && missing(r, r.Trusted) && !explained(r) {
			c.add(Finding{
				Code: PlainOverUntrusted, Rows: []string{r.ID}, What: fmt.Sprintf("%s to %s is neither confidential nor in a trusted network", r.From, r.To),
				Why: "whoever is on the way can read it", Fix: "encrypt it, or give both exceptions a reason and a bound",
			})
		}
		c.identity(r)
	}
}

// explained says that every exception of a row has a reason and a bound: then somebody decided it, and it stands in the summary of exceptions.
func explained(r matrix.Row) bool {
	for _, cell := range r.Cells() {
		if cell.Gap() || cell.State == matrix.Excepted && (cell.How == "" || cell.Bound == "") {
			return false
		}
	}
	return true
}

// identity: what is checked by certificate has a name in it.
func (c *checker) identity(r matrix.Row) {
	how := strings.ToLower(r.Authenticated.How)
	both := strings.Contains(how, "mutual") || strings.Contains(how, "mtls")
	if !r.Authenticated.Holds() || !both && !strings.Contains(how, "certificate") {
		return
	}
	var lacking []string
	if both && r.Identity == "" && r.From != matrix.Anybody && !c.roles[r.From.Role].Outside {
		lacking = append(lacking, "the client's")
	}
	if r.ServerIdentity == "" && c.ours(r.To) {
		lacking = append(lacking, "the server's")
	}
	if len(lacking) > 0 {
		c.add(Finding{
			Code: MissingIdentity, Rows: []string{r.ID}, What: fmt.Sprintf("%s to %s is authenticated by certificate, and %s name is not said", r.From, r.To, list(lacking)),
			Why: "a certificate of the right CA with any name would do, so that one role can pass for another",
			Fix: "give the row the name that each side shows (identity, serverIdentity)",
		})
	}
}
