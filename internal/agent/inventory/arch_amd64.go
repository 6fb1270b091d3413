package inventory

const architecture = "x86_64"
