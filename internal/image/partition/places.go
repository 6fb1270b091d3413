package partition

import "io"

// Places are the offset and length of a GPT's partitions by number, from 1; 0 for one that is not there.
func Places(r io.ReaderAt, size int64) ([][2]int64, error) {
	t, err := ReadGPT(r, size, 512)
	if err != nil {
		return nil, err
	}
	var out [][2]int64
	for _, p := range t.Partitions() {
		for len(out) < p.Number {
			out = append(out, [2]int64{})
		}
		out[p.Number-1] = [2]int64{p.Span.Off, p.Span.Length}
	}
	return out, nil
}
