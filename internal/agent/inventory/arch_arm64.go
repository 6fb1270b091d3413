package inventory

const architecture = "aarch64"
