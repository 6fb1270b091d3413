// Package document reads and writes matrices as documents: the YAML file that people edit and the CommunicationMatrix object of the API are one form.
//
// It owns that form: what a file may say, how an object that is too large is split into parts and joined again, and the words in which a mistake is reported. It
// refuses files and API clients: bytes and objects come in as parameters. What a matrix means is package matrix's, whose Check has the last word.
//
// It is strict, since a field that is silently dropped is a flow that is silently closed or, worse, opened: unknown fields, wrong types, values outside of the closed lists,
// keys that stand twice and YAML's aliases are errors, all of them in one go, each with its line, its field, the row's ID and what to write instead.
//
// Invariants: what Decode returns passes matrix.Check. Decode(Encode(m)) is m for every m that passes it and keeps the limits of api/v1alpha1. Encode is deterministic, and
// keeps the order of zones, roles, hosts and rows, which is the order that people chose.
package document
