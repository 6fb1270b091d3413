package meshkey

// Decode is the parser of answers.
var Decode = decode
