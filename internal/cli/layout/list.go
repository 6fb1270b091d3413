package layout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("layout", "layouts", func(l *ingot.FilesystemLayoutList) []ingot.FilesystemLayout { return l.Items }, columns)
	n.Cluster = true
	c := n.Command(s)
	c.Short = "List filesystem layouts, with what they are for"
	return c
}

func columns(now time.Time) []print.Column[ingot.FilesystemLayout] {
	type object = ingot.FilesystemLayout
	return []print.Column[object]{
		{Header: "NAME", Cell: func(o object) string { return o.Name }},
		{Header: "PARTITIONS", Cell: func(o object) string {
			names := make([]string, len(o.Spec.Partitions))
			for i, p := range o.Spec.Partitions {
				names[i] = p.Name
			}
			return strings.Join(names, ",")
		}},
		{Header: "IMAGES", Cell: images},
		{Header: "LABELS", Wide: true, Cell: labels},
		{Header: "DISKS", Wide: true, Cell: disks},
		{Header: "DESCRIPTION", Wide: true, Cell: func(o object) string { return o.Spec.Description }},
		{
			Header: "AGE", Cell: func(o object) string { return print.Duration(now.Sub(o.CreationTimestamp.Time)) },
			Order: print.ByTime(func(o object) time.Time { return o.CreationTimestamp.Time }),
		},
	}
}

// images are those that the layout is for; a layout without constraints is only taken by name.
func images(o ingot.FilesystemLayout) string {
	if o.Spec.Constraints == nil {
		return "by name only"
	}
	all := make([]string, len(o.Spec.Constraints.Images))
	for i, x := range o.Spec.Constraints.Images {
		all[i] = strings.TrimSpace(x.Name + " " + x.Versions)
	}
	return strings.Join(all, ", ")
}

func labels(o ingot.FilesystemLayout) string {
	if o.Spec.Constraints == nil {
		return ""
	}
	var all []string
	for k, v := range o.Spec.Constraints.HostLabels {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

func disks(o ingot.FilesystemLayout) string {
	switch c := o.Spec.Constraints; {
	case c == nil || c.MinDiskGigabytes == 0 && c.MaxDiskGigabytes == 0:
		return ""
	case c.MaxDiskGigabytes == 0:
		return fmt.Sprintf("from %d GB", c.MinDiskGigabytes)
	default:
		return fmt.Sprintf("%d to %d GB", c.MinDiskGigabytes, c.MaxDiskGigabytes)
	}
}
