package identify

import (
	"fmt"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/disk"
)

// NVMeAbility says by which commands one namespace can be erased without touching another one. siblings is how many namespaces the disk has; 0 is taken for not known.
// A Sanitize always takes the whole disk along; a Format takes other namespaces along where the controller says so.
func NVMeAbility(c Controller, s Sanitize, siblings int) disk.Ability {
	var a disk.Ability
	var why []string
	alone := siblings == 1
	if s.State == SanitizeRunning {
		a.Running = disk.NVMeSanitize
	}
	switch {
	case !c.BlockErase:
		why = append(why, "no Sanitize with block erase")
	case !alone:
		why = append(why, fmt.Sprintf("Sanitize would take all of its %d namespaces along", siblings))
	default:
		a.Means = append(a.Means, disk.NVMeSanitize)
	}
	switch {
	case !c.CanFormat:
		why = append(why, "no Format NVM")
	case (c.FormatsAll || c.ErasesAll) && !alone:
		why = append(why, fmt.Sprintf("Format NVM would take all of its %d namespaces along", siblings))
	default:
		a.Means = append(a.Means, disk.NVMeFormat)
	}
	a.Why = strings.Join(why, ", ")
	return a
}

// ATAAbility says by which commands a disk can be erased. A disk that is locked by a password that is not ours is found out when it refuses to be unlocked.
func ATAAbility(d ATA) disk.Ability {
	switch {
	case !d.Security:
		return disk.Ability{Why: "no ATA security feature set"}
	case d.CountExpired:
		return disk.Ability{Why: "too many wrong passwords were tried: turn the disk's power off and on"}
	case d.Enhanced:
		return disk.Ability{Means: []disk.Means{disk.ATAEnhanced, disk.ATASecure}}
	}
	return disk.Ability{Means: []disk.Means{disk.ATASecure}}
}
