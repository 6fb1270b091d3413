// Package release compares the versions of the mesh's programs, as they say them themselves.
//
// It owns the three numbers that a version begins with. It refuses to guess: what has no three numbers is an error, since who does not say a version may be of any.
package release

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is a program's: 1.101.0.
type Version [3]int

// Parse reads the three numbers that a version begins with ("1.101.0-dev-t1234"). It is an error for anything else, since who does not say a version may be of any.
func Parse(text string) (Version, error) {
	var v Version
	head, _, _ := strings.Cut(text, "-")
	parts := strings.Split(head, ".")
	if len(parts) != len(v) {
		return v, fmt.Errorf("%q is no version: three numbers with dots are expected", text)
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return Version{}, fmt.Errorf("%q is no version: three numbers with dots are expected", text)
		}
		v[i] = int(n)
	}
	return v, nil
}

// Before says whether a version is older.
func (v Version) Before(o Version) bool { return slices.Compare(v[:], o[:]) < 0 }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }
