package host

import (
	"fmt"
	"io"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
)

// tests shows the last burn-in, part by part.
func tests(w io.Writer, b *ingot.BurnInStatus) error {
	if b == nil || len(b.Tests) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nLast burn-in (%s):\n", b.Request)
	return print.Objects(w, print.Table, nil, b.Tests, []print.Column[ingot.BurnInTest]{
		{Header: "TEST", Cell: func(t ingot.BurnInTest) string { return t.Test }},
		{Header: "PART", Cell: func(t ingot.BurnInTest) string { return t.Subject }},
		{Header: "SERIAL", Cell: func(t ingot.BurnInTest) string { return t.SerialNumber }},
		{Header: "RESULT", Cell: func(t ingot.BurnInTest) string { return t.Result }},
		{Header: "TOOK", Cell: func(t ingot.BurnInTest) string { return print.Duration(t.FinishedAt.Sub(t.StartedAt.Time)) }},
		{Header: "FIGURES", Cell: figures},
		{Header: "MESSAGE", Cell: func(t ingot.BurnInTest) string { return t.Message }},
	})
}

// figures are what was measured, in one cell.
func figures(t ingot.BurnInTest) string {
	var words []string
	if t.Bytes > 0 {
		words = append(words, print.Bytes(t.Bytes))
	}
	if t.BytesPerSecond > 0 {
		words = append(words, print.Bytes(t.BytesPerSecond)+"/s")
	}
	if t.SlowestMicroseconds > 0 {
		words = append(words, fmt.Sprintf("slowest read %s", time.Duration(t.SlowestMicroseconds)*time.Microsecond))
	}
	if t.MaxCelsius > 0 {
		words = append(words, fmt.Sprintf("up to %d °C", t.MaxCelsius))
	}
	if t.Errors > 0 {
		words = append(words, fmt.Sprintf("%d errors", t.Errors))
	}
	return strings.Join(words, ", ")
}
