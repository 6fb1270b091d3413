package host

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/lifecycle"
)

func getCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:               "get HOST",
		Short:             "Show one host: state, hardware, disk, wipes, first boot",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames(s),
		RunE: one(s, func(_ context.Context, _ client.WithWatch, h Host, _ *cobra.Command) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			if format == print.Name {
				return print.Object(s.Out, format, h.Host)
			}
			if format.Structured() {
				return print.Object(s.Out, format, h)
			}
			return describe(s.Out, h, time.Now(), format == print.Wide)
		}),
	}
}

// describe shows a host; wide shows all of the evidence of its cleanings, those before the last one too.
func describe(w io.Writer, h Host, now time.Time, wide bool) error {
	b, r := h.Host, h.record()
	fields := []print.Field{
		{Name: "Host", Value: b.Namespace + "/" + b.Name},
		{Name: "State", Value: string(b.Status.Provisioning.State)},
		{Name: "Operational", Value: string(b.Status.OperationalStatus)},
		{Name: "Power", Value: fmt.Sprintf("%s (wanted: %s)", power(&h), wantedPower(b))},
		{Name: "BMC", Value: bmcLine(b, r.BMC)},
		{Name: "Health", Value: lifecycle.HealthText(r.Health)},
		{Name: "Now", Value: activity(&h)},
		{Name: "Since", Value: since(r.Outcome, now)},
		{Name: "Error", Value: errorLine(b)},
		{Name: "Consumer", Value: consumer(&h)},
		{Name: "Image", Value: imageLine(b)},
		{Name: "Disk", Value: diskLine(r.Disk)},
		{Name: "First boot", Value: firstBootLine(r.FirstBoot)},
		{Name: "Hand-over", Value: lifecycle.HandOverText(r.HandOver)},
		{Name: "TPM", Value: lifecycle.TPMText(r.TPM)},
		{Name: "Burn-in", Value: lifecycle.BurnInText(r.BurnIn)},
	}
	fields = append(fields, hardwareFields(b.Status.HardwareDetails)...)
	fields = append(fields, foundFields(r.Hardware, wide)...)
	if err := print.Fields(w, fields...); err != nil {
		return err
	}
	if err := tests(w, r.BurnIn); err != nil {
		return err
	}
	if err := wipes(w, "Last cleaning:", r.Wipes, wide); err != nil || !wide {
		return err
	}
	return wipes(w, "Earlier cleanings:", r.EarlierWipes, wide)
}

func wantedPower(b metal3.BareMetalHost) string {
	if b.Spec.Online {
		return "on"
	}
	return "off"
}

func bmcLine(b metal3.BareMetalHost, found *ingot.BMCStatus) string {
	if found == nil {
		return b.Spec.BMC.Address
	}
	return fmt.Sprintf("%s (%s %s, firmware %s, Redfish %s)", b.Spec.BMC.Address, found.Vendor, found.Model,
		found.FirmwareVersion, found.ProtocolVersion)
}

func errorLine(b metal3.BareMetalHost) string {
	if b.Status.ErrorType == "" {
		return ""
	}
	return fmt.Sprintf("%s (%d times): %s", b.Status.ErrorType, b.Status.ErrorCount, b.Status.ErrorMessage)
}

func imageLine(b metal3.BareMetalHost) string {
	if b.Status.Provisioning.Image.URL != "" {
		return b.Status.Provisioning.Image.URL
	}
	if b.Spec.Image != nil && b.Spec.Image.URL != "" {
		return b.Spec.Image.URL + " (wanted)"
	}
	return ""
}

func diskLine(d *ingot.DiskClaim) string {
	if d == nil {
		return ""
	}
	state := "claimed"
	if d.Written {
		state = "written, " + d.Digest
	}
	return fmt.Sprintf("%s serial %s, %s: %s", d.DeviceName, d.SerialNumber, print.Bytes(d.SizeBytes), state)
}

func firstBootLine(f *ingot.FirstBootStatus) string {
	switch {
	case f == nil:
		return ""
	case f.ReportedAt == nil:
		return "not reported yet"
	default:
		return fmt.Sprintf("reported %s by %s", f.ReportedAt.Format(time.RFC3339), f.Hostname)
	}
}

func hardwareFields(d *metal3.HardwareDetails) []print.Field {
	if d == nil {
		return nil
	}
	fields := []print.Field{
		{Name: "System", Value: strings.TrimSpace(d.SystemVendor.Manufacturer + " " + d.SystemVendor.ProductName + " " + d.SystemVendor.SerialNumber)},
		{Name: "Firmware", Value: strings.TrimSpace(d.Firmware.BIOS.Vendor + " " + d.Firmware.BIOS.Version + " " + d.Firmware.BIOS.Date)},
		{Name: "CPU", Value: fmt.Sprintf("%d x %s (%s)", d.CPU.Count, d.CPU.Model, d.CPU.Arch)},
		{Name: "Memory", Value: print.Bytes(int64(d.RAMMebibytes) << 20)},
	}
	for _, disk := range d.Storage {
		fields = append(fields, print.Field{Name: "Storage", Value: fmt.Sprintf("%s %s %s serial %s wwn %s %s",
			disk.Name, disk.Type, print.Bytes(int64(disk.SizeBytes)), dash(disk.SerialNumber), dash(disk.WWN), disk.Model)})
	}
	for _, nic := range d.NIC {
		fields = append(fields, print.Field{Name: "NIC", Value: fmt.Sprintf("%s %s %s%s", nic.Name, nic.MAC, nic.IP, neighbour(nic))})
	}
	return fields
}

func neighbour(n metal3.NIC) string {
	if n.LLDP == nil {
		return ""
	}
	return fmt.Sprintf(" at %s port %s", n.LLDP.SwitchID, n.LLDP.PortID)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func wipes(w io.Writer, title string, records []ingot.WipeRecord, wide bool) error {
	if len(records) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\n"+title)
	format := print.Table
	if wide {
		format = print.Wide
	}
	return print.Objects(w, format, nil, records, []print.Column[ingot.WipeRecord]{
		{Header: "DISK", Cell: func(r ingot.WipeRecord) string { return r.DeviceName }},
		{Header: "SERIAL", Cell: func(r ingot.WipeRecord) string { return r.SerialNumber }},
		{Header: "WWN", Wide: true, Cell: func(r ingot.WipeRecord) string { return r.WWN }},
		{Header: "SIZE", Cell: func(r ingot.WipeRecord) string { return print.Bytes(r.SizeBytes) }},
		{Header: "METHOD", Cell: func(r ingot.WipeRecord) string { return r.Method }},
		{Header: "ASKED", Wide: true, Cell: func(r ingot.WipeRecord) string { return r.Asked }},
		{Header: "ERASED", Wide: true, Cell: func(r ingot.WipeRecord) string { return print.Bytes(r.Bytes) }},
		{Header: "TOOK", Cell: func(r ingot.WipeRecord) string { return print.Duration(r.FinishedAt.Sub(r.StartedAt.Time)) }},
		{Header: "RESULT", Cell: func(r ingot.WipeRecord) string { return r.Result }},
		{Header: "FINISHED", Cell: func(r ingot.WipeRecord) string { return r.FinishedAt.Format(time.RFC3339) }},
		{Header: "VERIFIED", Wide: true, Cell: func(r ingot.WipeRecord) string { return r.Verification }},
		{Header: "ANSWER", Wide: true, Cell: func(r ingot.WipeRecord) string { return r.Answer }},
		{Header: "MESSAGE", Wide: true, Cell: func(r ingot.WipeRecord) string { return r.Message }},
	})
}
