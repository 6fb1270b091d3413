package size

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/fleet"
	"github.com/ingotmetal/ingot/issue/evidence"
	"github.com/ingotmetal/ingot/size"
)

func explainCommand(s *session.Session) *cobra.Command {
	return explain.Kind[*ingot.Size]{
		Noun: "size", Short: "Say of every host whether it is of a size, or why not, and how many of them can be had", Cluster: true,
		New: func() *ingot.Size { return &ingot.Size{} }, List: &ingot.SizeList{}, Tell: tell,
	}.Command(s)
}

func tell(ctx context.Context, c client.Client, o *ingot.Size) (explain.Answer, error) {
	all, err := fleet.Read(ctx, c)
	if err != nil {
		return explain.Answer{}, fmt.Errorf("which hosts are of size %s rests on all hosts: %w; `ingot size get %s` shows what every user may see", o.Name, err, o.Name)
	}
	return answer(o, all), nil
}

// answer is a pure function of what was read.
func answer(o *ingot.Size, all evidence.Objects) explain.Answer {
	a := explain.Answer{Subject: "size " + o.Name, State: explain.Stands(o.Status.Conditions, "Ready")}
	for _, f := range []struct {
		name string
		of   ingot.SizeConstraintType
	}{{"Cores", ingot.SizeCores}, {"Memory", ingot.SizeMemory}, {"Disks", ingot.SizeDisks}, {"GPUs", ingot.SizeGPUs}} {
		a.Say(f.name, Bounds(o, f.of))
	}
	a.Say("Images", images(o))
	for _, r := range stock.Rows(all.Facts, all.ByHost()) {
		if r.Size == o.Name {
			a.Say("In partition "+r.Partition, fmt.Sprintf("%d hosts: %d taken, %d to be had (%d by anybody), %d broken, %d kept back for another reason", r.Total, r.Allocated, r.Available, r.Free, len(r.Faulty), len(r.Other)))
		}
	}
	for _, v := range o.Status.Overlaps {
		a.Say("Overlaps with", v.Size+": both are of a machine with "+v.Example)
		a.Help("narrow %s or %s: a machine of both has none", o.Name, v.Size)
	}
	sizes, _ := size.All(all.Sizes) // what is wrong with others is said by theirs
	s, err := size.From(o)
	if err != nil {
		a.Help("%v", err)
		return a
	}
	judge(&a, s, sizes, all)
	if len(a.Verdicts) == 0 {
		a.Help("there are no hosts yet: `ingot apply -f` makes them")
	}
	return a
}

// judge goes through the hosts.
func judge(a *explain.Answer, s size.Size, sizes []size.Size, all evidence.Objects) {
	records := all.ByHost()
	for i := range all.Hosts {
		h := &all.Hosts[i]
		key := client.ObjectKeyFromObject(h)
		var found *ingot.HardwareStatus
		if r := records[key]; r != nil {
			found = r.Status.Hardware
		}
		hardware, known := size.Of(h.Status.HardwareDetails, found)
		why, r := s.Judge(hardware), size.Match(sizes, hardware)
		switch {
		case !known:
			a.Judge(key.String(), false, "its hardware is not known: it was not inspected yet")
		case len(why) > 0:
			a.Judge(key.String(), false, strings.Join(why, ", "))
		case r.Problem != "":
			a.Judge(key.String(), false, r.Problem)
		default:
			a.Judge(key.String(), true, "of this size")
		}
	}
}
