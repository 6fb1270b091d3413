// Package diagram draws a matrix: roles in the boxes of their zones, and the flows between them, as one SVG.
//
// It owns the layout. Whoever dials stands left of whom it dials. Columns are the layers of that order; zones are horizontal bands, so that their boxes
// never overlap; between the bands run gutters, through which a flow passes columns in which it has no business. Flows of one pair of roles are one arrow.
// Each arrow ends on a stretch of its own before the role that it reaches, and its label stands on that stretch: labels cannot overlap, whatever the matrix is.
//
// It refuses scripts, fonts and pictures from elsewhere: a file shows the same wherever it is put. Text of a matrix may be foreign and is escaped.
//
// Invariants: the same matrix gives the same bytes; every flow that is asked for is in the picture and, with its number and purpose, in its tooltip.
package diagram
