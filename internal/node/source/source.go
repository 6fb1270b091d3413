// Package source is where a node's policies come from: a directory of files, or the API.
//
// It owns the reading: manifests of Calico and communication matrices become calico.Objects, failsafes and rows. It refuses to judge them for a host: package node
// does. A source that stops to answer says so and nothing else; what it said last stays true.
//
// Invariants: what is delivered is whole. One bad document spoils the whole set, since half of a policy may be a hole or a lock-out.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// Policies are everything that a source says.
type Policies struct {
	Objects   calico.Objects
	Failsafes []firewall.Failsafe
	// Matrices are those that are known: for the management rows, and for words.
	Matrices []matrix.Matrix
	// Confirmed is the generation through which the controller reached each endpoint, by the endpoint's name.
	Confirmed map[string]uint32
	// Revisions are the endpoints' annotations ingot.dev/revision, by name.
	Revisions map[string]string
}

// Update is what a source delivers: new policies, or why there are none.
type Update struct {
	// Policies is nil where Err is set.
	Policies *Policies
	// Err is why the source does not answer, or why what it says can't be used.
	Err error
}

// Source delivers updates until its context ends.
type Source interface {
	// Run delivers at least once: policies or an error. It returns when ctx ends.
	Run(ctx context.Context, deliver func(Update)) error
	// Dials says whether somebody behind the source confirms by dialing back.
	Dials() bool
}

// ErrEmpty says that a source has nothing at all. It is no answer: an empty directory is a mistake more often than a wish for no firewall.
var ErrEmpty = errors.New("there are no manifests and no communication matrix")

// Gather makes one set of policies of manifests and matrices. The failsafes are further ones, of the command line.
func Gather(manifests []calico.Objects, matrices []matrix.Matrix, failsafes []firewall.Failsafe) (*Policies, error) {
	p := &Policies{Matrices: matrices, Failsafes: failsafes}
	parts := manifests
	for _, m := range matrices {
		compiled, err := policy.Compile(m)
		if err != nil {
			return nil, fmt.Errorf("communication matrix %q: %w", m.Name, err)
		}
		parts = append(parts, compiled.Objects)
		for _, f := range compiled.Failsafes {
			p.addFailsafe(f)
		}
	}
	p.Objects = calico.Merge(parts...)
	o := p.Objects
	if len(o.HostEndpoints)+len(o.Policies)+len(o.NetworkSets)+len(o.Tiers)+len(o.Profiles) == 0 {
		return nil, ErrEmpty
	}
	return p, nil
}

// addFailsafe leaves out what is there by name: two matrices may both have neighbour discovery.
func (p *Policies) addFailsafe(f firewall.Failsafe) {
	for _, known := range p.Failsafes {
		if known.ID == f.ID {
			return
		}
	}
	p.Failsafes = append(p.Failsafes, f)
}

// Decode reads one file: Calico manifests and (parts of) communication matrices, in any mixture of documents.
func Decode(text []byte) (calico.Objects, []*v1alpha1.CommunicationMatrix, error) {
	var manifests []byte
	var parts []*v1alpha1.CommunicationMatrix
	var problems []error
	for _, doc := range documents(text) {
		if !ours(doc) {
			manifests = append(append(manifests, "\n---\n"...), doc...)
			continue
		}
		read, err := document.Read(doc)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		parts = append(parts, read...)
	}
	o, err := calico.Decode(manifests)
	if err != nil {
		problems = append(problems, err)
	}
	return o, parts, errors.Join(problems...)
}

// Join makes matrices of their parts, which may stand in different files.
func Join(parts []*v1alpha1.CommunicationMatrix) ([]matrix.Matrix, error) {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b *v1alpha1.CommunicationMatrix) int { return cmp.Compare(a.Name, b.Name) })
	used := map[*v1alpha1.CommunicationMatrix]bool{}
	var all []matrix.Matrix
	var problems []error
	for _, head := range parts {
		if head.Spec.Extends != "" {
			continue
		}
		of := []*v1alpha1.CommunicationMatrix{head}
		for _, p := range parts {
			if p.Spec.Extends != "" && string(p.Spec.Extends) == head.Name {
				of, used[p] = append(of, p), true
			}
		}
		m, err := document.Join(of...)
		if err != nil {
			problems = append(problems, fmt.Errorf("communication matrix %q: %w", head.Name, err))
			continue
		}
		all = append(all, m)
	}
	for _, p := range parts {
		if p.Spec.Extends != "" && !used[p] {
			problems = append(problems, fmt.Errorf("communication matrix %q is a part of %q, which is not there", p.Name, p.Spec.Extends))
		}
	}
	return all, errors.Join(problems...)
}
