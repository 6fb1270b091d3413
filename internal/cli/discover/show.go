package discover

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("discovered host", "discovered hosts", func(l *ingot.DiscoveredHostList) []ingot.DiscoveredHost { return l.Items }, columns)
	n.Empty = "`ingot discover import` reads a list of machines"
	c := n.Command(s)
	c.Short = "List machines that were found, with what became of them"
	return c
}

func columns(now time.Time) []print.Column[ingot.DiscoveredHost] {
	type object = ingot.DiscoveredHost
	return []print.Column[object]{
		{Header: "NAME", Cell: func(o object) string { return o.Name }},
		{Header: "PHASE", Flag: "state", Cell: func(o object) string { return string(o.Status.Phase) }},
		{Header: "SOURCE", Flag: "source", Cell: func(o object) string { return string(o.Spec.Source) }},
		{Header: "BMC", Cell: func(o object) string { return bmcOf(&o) }},
		{Header: "MAC", Cell: func(o object) string { return mac(o) }},
		{Header: "SERIAL", Wide: true, Cell: func(o object) string { return o.Spec.SerialNumber }},
		{Header: "PARTITION", Wide: true, Flag: "partition", Cell: func(o object) string { return o.Spec.Partition }},
		{Header: "HOST", Cell: hostCell},
		{Header: "AGE", Cell: func(o object) string { return print.Duration(now.Sub(o.CreationTimestamp.Time)) },
			Order: print.ByTime(func(o object) time.Time { return o.CreationTimestamp.Time })},
		{Header: "MESSAGE", Wide: true, Cell: func(o object) string { return o.Status.Message }},
	}
}

func mac(o ingot.DiscoveredHost) string {
	if o.Spec.BootMACAddress != "" || len(o.Spec.MACAddresses) == 0 {
		return o.Spec.BootMACAddress
	}
	return o.Spec.MACAddresses[0]
}

// hostCell is the host that was made of it, or the one that it is already.
func hostCell(o ingot.DiscoveredHost) string {
	r := o.Status.Host
	if r == nil {
		r = o.Status.DuplicateOf
	}
	switch {
	case r == nil:
		return ""
	case r.Namespace != o.Namespace:
		return r.Namespace + "/" + r.Name
	}
	return r.Name
}

func getCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "get NAME",
		Aliases:           []string{"explain"},
		Short:             "Show what is known of a machine that was found, what became of it, and what helps",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.First(names(s)),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, namespace, err := connect(s)
			if err != nil {
				return err
			}
			o, err := load(cmd.Context(), c, namespace, args[0])
			if err != nil {
				return err
			}
			if format.Structured() {
				return print.Object(s.Out, format, o)
			}
			return show(s.Out, o)
		},
	}
}

func show(w io.Writer, o *ingot.DiscoveredHost) error {
	accepted := ""
	if a := o.Spec.Accept; a != nil {
		accepted = "yes, as " + cmp.Or(a.Name, o.Name)
	}
	return print.Fields(w,
		print.Field{Name: "Name", Value: o.Namespace + "/" + o.Name},
		print.Field{Name: "Phase", Value: string(o.Status.Phase)},
		print.Field{Name: "Message", Value: o.Status.Message},
		print.Field{Name: "Found", Value: fmt.Sprintf("%s at partition %s, by %s", o.CreationTimestamp.UTC().Format(time.RFC3339), o.Spec.Partition, o.Spec.Source)},
		print.Field{Name: "BMC", Value: bmcOf(o)},
		print.Field{Name: "BMC says", Value: says(o.Status.BMC)},
		print.Field{Name: "BMC's certificate", Value: fingerprint(o.Status.BMC)},
		print.Field{Name: "BMC's MAC address", Value: o.Spec.BMCMACAddress},
		print.Field{Name: "Credentials", Value: o.Spec.CredentialsName},
		print.Field{Name: "Boot MAC address", Value: o.Spec.BootMACAddress},
		print.Field{Name: "MAC addresses", Value: strings.Join(o.Spec.MACAddresses, ", ")},
		print.Field{Name: "Serial number", Value: o.Spec.SerialNumber},
		print.Field{Name: "Boot mode", Value: o.Spec.BootMode},
		print.Field{Name: "Asked to boot", Value: netboot(o.Status.Netboot)},
		print.Field{Name: "Accepted", Value: accepted},
		print.Field{Name: "Same machine", Value: reference(o.Status.DuplicateOf)},
		print.Field{Name: "Host", Value: reference(o.Status.Host)},
	)
}

// bmcOf is where a machine's BMC is: as it answered, or as the source says.
func bmcOf(o *ingot.DiscoveredHost) string {
	if b := o.Status.BMC; b != nil && !b.Gone && (o.Spec.Source != ingot.SourceList || o.Spec.BMCAddress == "") {
		return b.Address
	}
	return cmp.Or(o.Spec.BMCAddress, o.Spec.BMCIPAddress)
}

// says is what a BMC told without a login.
func says(b *ingot.DiscoveredBMC) string {
	if b == nil {
		return ""
	}
	text := strings.TrimSpace(b.Vendor + " " + b.Product)
	if text != "" {
		text += ", "
	}
	text += "speaks " + strings.Join(b.Protocols, " and ")
	if b.RedfishVersion != "" {
		text += ", Redfish " + b.RedfishVersion
	}
	if b.IPMIVersion != "" {
		text += ", IPMI " + b.IPMIVersion
	}
	if b.UUID != "" {
		text += ", UUID " + b.UUID
	}
	if b.UUIDShared {
		text += " (which others have too)"
	}
	text += ", last heard " + b.LastSeen.UTC().Format(time.RFC3339)
	if b.Gone {
		text += "; another BMC answers at its address since"
	}
	return text
}

func fingerprint(b *ingot.DiscoveredBMC) string {
	if b == nil || b.CertificateSHA256 == "" {
		return ""
	}
	return "sha256:" + b.CertificateSHA256 + ", not verified"
}

// netboot is what a machine asked the boot servers.
func netboot(r *ingot.NetbootRequests) string {
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("%d times, from %s to %s, not answered", r.Requests, r.FirstSeen.UTC().Format(time.RFC3339), r.LastSeen.UTC().Format(time.RFC3339))
	if r.VendorClass != "" {
		text += ", as " + strconv.Quote(r.VendorClass)
	}
	if r.Architecture != nil {
		text += fmt.Sprintf(", architecture %d", *r.Architecture)
	}
	if r.MachineID != "" {
		text += ", machine ID " + r.MachineID
	}
	return text
}

func reference(r *ingot.HostReference) string {
	if r == nil {
		return ""
	}
	return r.Namespace + "/" + r.Name
}

// current says that a status speaks of the object as it is.
func current(o metav1.Object, s ingot.DiscoveredHostStatus) bool {
	return s.Phase != "" && s.ObservedGeneration == o.GetGeneration()
}
