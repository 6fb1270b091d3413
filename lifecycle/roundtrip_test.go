package lifecycle

import "encoding/json"

// roundTrip is a visit to the API server: times lose their fractions, empty becomes nil.
func roundTrip[T any](v T) T {
	var out T
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func roundTripPointer[T any](v *T) *T {
	if v == nil {
		return nil
	}
	out := roundTrip(*v)
	return &out
}
