// Package raid says what RAID volumes mean: which disks they are on, where on them, how large they become, and what has to be done to get there.
//
// It owns the words of spec.raid's volumes free of Kubernetes (the agent has them too), the layout of software volumes on disks, and which volumes a RAID controller has to have. It refuses to do any of
// it: the agent makes the arrays, and the BMC the volumes.
//
// Software RAID is as in Metal3: one volume of level 1, or two of which the first has level 1; the first is the root device. Every disk gets a GPT with one partition for each volume that it is a part
// of, and disks of the first volume one for the firmware before them: the firmware knows nothing of arrays, so that each of these disks has the image's EFI system partition, and boots alone.
//
// Hardware RAID is as in Metal3: what the controllers have is brought to what is asked for, exactly. A volume that is as asked for is not touched; a drive is a part of at most one volume that is asked for.
//
// Invariants: a plan is the same for the same disks in whatever order; partitions are whole MiB, never overlap and leave the tables their place; all members of an array have the same size; drives that
// a plan chose for a volume are of one controller, medium and size; no plan deletes a volume that its host's policy keeps.
package raid
