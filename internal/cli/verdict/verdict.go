// Package verdict shows why a request has, could have, or could not have hosts.
//
// It owns the words around a claim.Explanation, for every noun that explains. It refuses to explain anything itself.
package verdict

import (
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/claim"
)

// Write shows an explanation of what (for example "claim team-a/web"), and what the controller says beside it.
func Write(w io.Writer, what string, e claim.Explanation, said []metav1.Condition) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", what)
	if r := e.Decision.Refusal; r != nil {
		fmt.Fprintf(&b, "no host: %s\nwhat helps: %s\n", r.Message, r.Fix)
	} else {
		fmt.Fprintf(&b, "%s: %s\n", e.Decision.Host, e.Decision.Why)
	}
	for _, v := range e.Verdicts {
		mark, why := "-", v.Why
		switch {
		case v.Chosen:
			mark, why = "*", "this one"
		case v.Fits:
			mark, why = "+", "it would do"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, v.Host, why)
	}
	b.WriteString(Said(said))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	return nil
}

// Said is what conditions complain of, a line each.
func Said(conditions []metav1.Condition) string {
	var b strings.Builder
	for _, x := range conditions {
		if x.Status != metav1.ConditionTrue && x.Message != "" {
			fmt.Fprintf(&b, "the controller says: %s: %s\n", x.Reason, x.Message)
		}
	}
	return b.String()
}
