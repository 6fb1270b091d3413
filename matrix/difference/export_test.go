package difference

// Together is for tests that compare the two sites themselves.
var Together = together
