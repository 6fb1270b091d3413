// Package vpn is a person's way into the mesh: `ingot vpn` for a laptop's own client, `ingot proxy` for the web pages of what is inside, and the passes by which `ingot ssh` joins.
//
// It owns the person's MeshKeys: each is made for one use, its key is handed over in a file that nobody else reads, and it is gone when the program ends. It refuses to be a member itself: that is the program
// ingot-mesh-member, which needs neither root nor a network interface. It refuses every other way to what is inside.
//
// Invariants: a key is in no argument, no environment and no output; a pass that was closed has left nothing, neither in the mesh nor on the disk.
package vpn
