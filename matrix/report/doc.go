// Package report shows a matrix to people: as a table for a terminal, CSV, one HTML page, and a summary for whoever has to answer for it.
//
// It owns filters and these views. It refuses forms that are read back (YAML, JSON and Markdown are packages document's and markdown's) and drawings
// (package diagram's). Text in views comes from foreign documents, so everything is escaped for the form that it goes into: control characters never reach
// a terminal, a CSV cell never begins a formula, and HTML has no script at all.
//
// Invariants: the same matrix gives the same bytes; a table of Width columns has no line that is longer; a row that a filter keeps is shown whole.
package report
