// Package reference writes the pages of docs/reference that are made of data: kinds from their definitions, the communication matrix, metrics from the calls that make them, issues, exit codes, and the drawings.
//
// It owns how those pages look, and the test that they are what the data say. It refuses the pages about commands, which each program's own test makes (internal/cli/reference), since only a program knows its commands.
//
// Invariant: the same repository gives the same bytes.
package reference
