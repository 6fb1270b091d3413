package table

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Row is one object's cells.
type Row []Cell

// Cell is a value that an object has in a column; nil where it has none.
type Cell struct{ value any }

// UnmarshalJSON implements json.Unmarshaler.
func (c *Cell) UnmarshalJSON(text []byte) error {
	// Most cells are texts without anything escaped, or none.
	if n := len(text); n >= 2 && text[0] == '"' && plain(text[1:n-1]) {
		c.value = string(text[1 : n-1])
		return nil
	}
	c.value = nil
	return json.Unmarshal(text, &c.value)
}

func plain(text []byte) bool {
	for _, b := range text {
		if b == '\\' || b < ' ' || b >= 0x80 {
			return false
		}
	}
	return true
}

// Text is a cell of a column of strings; empty where there is none.
func (c Cell) Text() string {
	s, _ := c.value.(string)
	return s
}

// Is says whether a cell of a column of booleans is true. A column of strings has the word.
func (c Cell) Is() bool {
	b, _ := c.value.(bool)
	return b || c.Text() == "true"
}

// Int is a cell of a column of integers; 0 where there is none, or one that is no number of an int's range.
func (c Cell) Int() int {
	n, is := c.value.(float64)
	if !is || math.Abs(n) > math.MaxInt32 {
		return 0
	}
	return int(n)
}

// Time is a cell of a column of strings that is a field of the type metav1.Time; the zero time where there is none.
func (c Cell) Time() metav1.Time {
	at, err := time.Parse(time.RFC3339, c.Text())
	if err != nil {
		return metav1.Time{}
	}
	return metav1.NewTime(at)
}

// Object reads a cell of a column of strings that is an object's field, which servers write as its JSON, into to; found is false where there is none. What is no such JSON is ErrNone.
func (c Cell) Object(to any) (found bool, err error) {
	if c.Text() == "" {
		return false, nil
	}
	if err := json.Unmarshal([]byte(c.Text()), to); err != nil {
		return false, fmt.Errorf("%w: a cell is no %T: %w", ErrNone, to, err)
	}
	return true, nil
}
