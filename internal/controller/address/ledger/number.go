package ledger

import (
	"context"
	"fmt"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam"
)

// The kinds of numbers, and where those begin and end that are given.
const (
	VRFNumber = "VRF"
	ASNNumber = "ASN"

	firstVRF, lastVRF = 1, 131072
	firstASN, lastASN = 4210000001, 4210131072
)

// SetNumber records a number as a network's: the one it asks for, or the lowest free one where number is 0. A network has one of a kind.
func (l *Ledger) SetNumber(ctx context.Context, kind, network, uid string, number int64) (int64, error) {
	got := number
	err := l.edit(ctx, numbersName, func(spec *ingot.AddressRecordSpec) (bool, error) {
		taken := map[int64]string{}
		own := -1
		for i, n := range spec.Numbers {
			if n.Kind != kind {
				continue
			}
			if n.Network == network && n.UID == uid {
				own = i
			} else {
				taken[n.Number] = n.Network
			}
		}
		if own >= 0 && (number == 0 || spec.Numbers[own].Number == number) {
			got = spec.Numbers[own].Number
			return false, nil
		}
		if number == 0 {
			if got = free(kind, taken); got == 0 {
				return false, &ipam.Refusal{Reason: ipam.NoFree, Subject: kind + " numbers"}
			}
		} else if by, ok := taken[number]; ok {
			return false, &ipam.Refusal{Reason: ipam.Taken, Subject: fmt.Sprintf("%s number %d", kind, number), By: "network " + by}
		}
		made := ingot.RecordedNumber{Kind: kind, Number: got, Network: network, UID: uid}
		if own >= 0 {
			spec.Numbers[own] = made
		} else {
			spec.Numbers = append(spec.Numbers, made)
		}
		return true, nil
	})
	return got, err
}

func free(kind string, taken map[int64]string) int64 {
	first, last := int64(firstVRF), int64(lastVRF)
	if kind == ASNNumber {
		first, last = firstASN, lastASN
	}
	for n := first; n <= last; n++ {
		if _, ok := taken[n]; !ok {
			return n
		}
	}
	return 0
}
