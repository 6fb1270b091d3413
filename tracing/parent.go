package tracing

import (
	"encoding/hex"
	"fmt"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Parent is the span that another process hangs its own below. The zero value is none.
type Parent struct {
	Trace TraceID
	Span  SpanID
}

// IsZero says whether there is none.
func (p Parent) IsZero() bool { return p == Parent{} }

// String is the form of the header traceparent, version 00, sampled (W3C Trace Context §3.2); empty for none.
func (p Parent) String() string {
	if p.IsZero() {
		return ""
	}
	return fmt.Sprintf("00-%x-%x-01", p.Trace, p.Span)
}

// ParseParent reads what String writes; none for an empty text.
func ParseParent(text string) (p Parent, err error) {
	if text == "" {
		return p, nil
	}
	wrong := fmt.Errorf("%q is no traceparent like 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 (W3C Trace Context §3.2)", text)
	parts := strings.Split(text, "-")
	if len(parts) != 4 || parts[0] != "00" || len(parts[1]) != 2*len(p.Trace) || len(parts[2]) != 2*len(p.Span) || len(parts[3]) != 2 || strings.ToLower(text) != text {
		return p, wrong
	}
	for i, into := range [][]byte{p.Trace[:], p.Span[:]} {
		if _, err := hex.Decode(into, []byte(parts[i+1])); err != nil {
			return Parent{}, wrong
		}
	}
	if _, err := hex.DecodeString(parts[3]); err != nil || p.Trace == (TraceID{}) || p.Span == (SpanID{}) {
		return Parent{}, wrong
	}
	return p, nil
}

// Open is the stage of work that the host is in by its record: what is done for it now hangs below that. None while it rests.
func Open(host *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) Parent {
	for i := len(r.Timeline) - 1; i >= 0; i-- {
		if stage := &r.Timeline[i]; stage.Step == "" {
			if !isStage(stage) || stage.EndedAt != nil {
				return Parent{}
			}
			return Parent{Trace: traceOf(host, stage), Span: rootOf(host, stage)}
		}
	}
	return Parent{}
}
