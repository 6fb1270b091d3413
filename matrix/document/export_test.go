package document

// Bounds are the bounds by field, for the test that compares them with the schema.
func Bounds() map[string][2]int {
	all := map[string][2]int{}
	for name, b := range bounds {
		all[name] = [2]int{b.least, b.most}
	}
	return all
}
