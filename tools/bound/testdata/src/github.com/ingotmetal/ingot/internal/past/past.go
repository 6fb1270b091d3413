// Package past goes past the Bound, to the driver behind it.
package past

import "github.com/ingotmetal/ingot/internal/driver/socket/kernel"

func dial() {
	kernel.Network{}.Dial() // want `socket/kernel\.Network\.Dial opens`
	_ = kernel.Network{}
}
