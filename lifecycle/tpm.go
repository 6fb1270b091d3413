package lifecycle

import (
	"fmt"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/journey"
)

// TPMText is a host's TPM in a line; empty for none.
func TPMText(s *ingot.TPMStatus) string {
	if s == nil {
		return ""
	}
	text := fmt.Sprintf("endorsement key sha256:%s (%s), pinned %s, proved %s", s.EndorsementKey, s.Algorithm, s.PinnedAt.UTC().Format(time.RFC3339), s.ProvedAt.UTC().Format(time.RFC3339))
	if c := s.Certificate; c != nil {
		text += fmt.Sprintf(", certificate %s of %s", c.SerialNumber, c.Issuer)
	}
	if n := len(s.PCRs); n > 0 {
		text += fmt.Sprintf(", %d PCRs recorded", n)
	}
	return text
}

// tpmPolicyText says what the next boot of the host's agent asks of the machine's TPM, on each way of booting.
func tpmPolicyText(f journey.Facts) string {
	var words []string
	for _, way := range []struct {
		name   string
		method ingot.BootMethod
	}{{"network boot", ingot.MethodPXE}, {"virtual media", ingot.MethodVirtualMedia}} {
		d, err := journey.TPMDemand(f.Host, &f.Record, f.Site.TPM, way.method)
		if err != nil {
			return err.Error()
		}
		words = append(words, way.name+": "+demandText(d))
	}
	return strings.Join(words, "; ")
}

func demandText(d attest.Demand) string {
	switch {
	case !d.Asks():
		return string(d.Policy) + ", the token alone lets an agent in"
	case d.EndorsementKey != "":
		return string(d.Policy) + ", only the TPM whose endorsement key is pinned"
	case d.Policy == attest.Require:
		return string(d.Policy) + ", the first TPM that is proved is pinned"
	}
	return string(d.Policy) + ", the first TPM that is proved is pinned; an agent without one is let in by its token"
}
