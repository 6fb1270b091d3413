package redfish

import (
	"context"
	"net/http"
	"strings"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// maxAuthorities is how many certificates a BMC may hold for HTTPS boot before it is not asked for each of them.
const maxAuthorities = 32

// httpBoot says what the firmware boots by UEFI HTTP boot (ComputerSystem.Boot.HttpBootUri), and makes it trust the server (ComputerSystem.Boot.Certificates).
func (o *bootOverride) httpBoot(ctx context.Context, set bmc.BootSetting, change map[string]any) error {
	if set.URI == "" {
		return faultf(step.Invalid, "UEFI HTTP boot without a URI to boot")
	}
	if set.Authorities != "" {
		if err := o.trust(ctx, set.Authorities); err != nil {
			return err
		}
	}
	change["HttpBootUri"] = set.URI
	return nil
}

// trust enters a certificate that HTTPS boot is checked against, once. A BMC without a place for it leaves that to the machine's own setup.
func (o *bootOverride) trust(ctx context.Context, authorities string) error {
	if o.authorities == "" {
		return nil
	}
	have, err := o.s.c.members(ctx, o.authorities, "CertificateCollection")
	if err != nil {
		return err
	}
	for _, m := range have[:min(len(have), maxAuthorities)] {
		var view struct{ CertificateString text }
		if err := o.s.c.read(ctx, m, "Certificate", &view); err != nil {
			return err
		}
		if strings.TrimSpace(string(view.CertificateString)) == strings.TrimSpace(authorities) {
			return nil
		}
	}
	a, err := o.s.c.do(ctx, request{method: http.MethodPost, path: o.authorities, body: map[string]any{"CertificateType": "PEM", "CertificateString": authorities}})
	if err != nil {
		return err
	}
	return o.s.c.follow(ctx, a)
}

// canHTTP: the BMC lists UEFI HTTP boot. One that lists nothing is not taken to have it.
func (o *bootOverride) canHTTP() bool {
	for _, t := range o.targets {
		if redfish.BootSourceOverrideTarget(t) == redfish.UefiHTTPBootSourceOverrideTarget {
			return true
		}
	}
	return false
}
