// Package markdown reads a communication matrix that somebody published as Markdown tables, and writes one in the same shape.
//
// It owns the mapping between a table's cells and rows. It refuses all that is not a table or a heading: prose is not carried over. A cell that it cannot map is an error
// with its line, its column and what is allowed, since a guess would become a firewall rule.
//
// The table can say: a row's number, the titles of its ends and their zones, protocol, application, ports, the states of the four security cells, purpose, notes, and the
// title of the table. Names are made from titles. What it cannot say is lost on Export: addresses, planes, identities, rights, stages, how a property holds.
//
// Invariants: Import never guesses; for every text that Import accepts, Import(Export(Import(text))) is Import(text).
package markdown
