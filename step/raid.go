package step

// ConfigureRAID lays out the machine's disks for software RAID volumes, makes the arrays, and proves that nothing of a former use shows in them. It is for disks that are proved clean.
const ConfigureRAID Kind = "configure-raid"

// Array is a software RAID array that ConfigureRAID made.
type Array struct {
	// UUID is the array's, as mdadm writes it: four groups of eight hex digits, by ":".
	UUID string `json:"uuid"`
	// Name is the device that it was when it was made; Level 0, 1 or 1+0.
	Name  string `json:"name"`
	Level string `json:"level"`
	// SizeBytes is what can be used of it.
	SizeBytes int64 `json:"sizeBytes"`
	// Disks are the disks that it is on.
	Disks []Disk `json:"disks"`
}
