package host

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestEvidenceOfCleanings(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	h := Host{Lifecycle: &ingot.HostLifecycle{Status: ingot.HostLifecycleStatus{
		Wipes: []ingot.WipeRecord{
			{DeviceName: "/dev/sda", SerialNumber: "S1", Method: "overwrite", Asked: "secure-erase,overwrite", StartedAt: at, FinishedAt: at, Result: "clean",
				Verification: "256 blocks read back", Message: "after secure-erase: frozen"},
			{DeviceName: "/dev/sdb", SerialNumber: "S2", Method: "keep", StartedAt: at, FinishedAt: at, Result: "kept", Message: "the policy keeps it"},
		},
		EarlierWipes: []ingot.WipeRecord{{DeviceName: "/dev/sda", Method: "metadata", StartedAt: at, FinishedAt: at, Result: "failed", Message: "ext4 is there"}},
	}}}
	for wide, words := range map[bool][]string{
		false: {"Last cleaning", "overwrite", "kept", "S2"},
		true:  {"Last cleaning", "secure-erase,overwrite", "256 blocks read back", "after secure-erase: frozen", "the policy keeps it", "Earlier cleanings", "ext4 is there"},
	} {
		var b strings.Builder
		if err := describe(&b, h, at.Time, wide); err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(b.String(), w) {
				t.Errorf("wide %v: %q is not in\n%s", wide, w, b.String())
			}
		}
		if strings.Contains(b.String(), "Earlier") != wide {
			t.Errorf("wide %v:\n%s", wide, b.String())
		}
	}
}
