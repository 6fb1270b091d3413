package bmc

// Same says whether two targets are one BMC with one login.
func (t Target) Same(o Target) bool { return t.address() == o.address() && t.key() == o.key() }
