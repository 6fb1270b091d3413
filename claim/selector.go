package claim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Requirement is a demand on one label, as in Kubernetes' label selectors.
type Requirement struct {
	Key string
	// Operator is one of "in", "notin", "=", "==", "!=", "exists", "!", "gt", "lt", or Kubernetes' longer words for them in any case: In, NotIn, Exists, DoesNotExist, Gt, Lt.
	Operator string
	Values   []string
}

// Operators that Requirement knows, in lower case, with the number of values that each takes; -1: one or more.
func valuesOf(operator string) (count int, known bool) {
	switch operator {
	case "in", "notin":
		return -1, true
	case "=", "==", "!=", "gt", "lt":
		return 1, true
	case "exists", "!", "doesnotexist":
		return 0, true
	}
	return 0, false
}

// Problem says what is wrong with the requirement itself; empty: nothing.
func (q Requirement) Problem() string {
	op := strings.ToLower(q.Operator)
	count, known := valuesOf(op)
	switch {
	case q.Key == "":
		return "it has no key"
	case !known:
		return fmt.Sprintf("the operator %q is unknown: use In, NotIn, Exists, DoesNotExist, Gt or Lt", q.Operator)
	case count < 0 && len(q.Values) == 0:
		return fmt.Sprintf("%s wants at least one value", q.Operator)
	case count >= 0 && len(q.Values) != count:
		return fmt.Sprintf("%s wants %d values and has %d", q.Operator, count, len(q.Values))
	}
	if op == "gt" || op == "lt" {
		if _, err := strconv.ParseInt(q.Values[0], 10, 64); err != nil {
			return fmt.Sprintf("%s wants a whole number and has %q", q.Operator, q.Values[0])
		}
	}
	return ""
}

// holds says whether labels satisfy the requirement. One with a Problem holds for nobody. A label that is absent is not in any set, and so satisfies NotIn and != (as in Kubernetes).
func (q Requirement) holds(labels map[string]string) bool {
	if q.Problem() != "" {
		return false
	}
	have, ok := labels[q.Key]
	switch strings.ToLower(q.Operator) {
	case "in", "=", "==":
		return ok && slices.Contains(q.Values, have)
	case "notin", "!=":
		return !ok || !slices.Contains(q.Values, have)
	case "exists":
		return ok
	case "!", "doesnotexist":
		return !ok
	}
	n, err := strconv.ParseInt(have, 10, 64)
	bound, _ := strconv.ParseInt(q.Values[0], 10, 64)
	if !ok || err != nil {
		return false
	}
	if strings.EqualFold(q.Operator, "gt") {
		return n > bound
	}
	return n < bound
}

func (q Requirement) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", q.Key, q.Operator, strings.Join(q.Values, ",")))
}
