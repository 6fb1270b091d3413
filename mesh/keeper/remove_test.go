package keeper

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestIsOver(t *testing.T) {
	const keep = time.Hour
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-d)} }
	key := func(state ingot.MeshKeyState, change func(*ingot.MeshKey)) *ingot.MeshKey {
		k := &ingot.MeshKey{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *ago(100 * time.Hour)}, Status: ingot.MeshKeyStatus{State: state}}
		if change != nil {
			change(k)
		}
		return k
	}
	used := func(d time.Duration) func(*ingot.MeshKey) {
		return func(k *ingot.MeshKey) { k.Status.UsedAt = ago(d) }
	}
	expired := func(d time.Duration) func(*ingot.MeshKey) {
		return func(k *ingot.MeshKey) { k.Status.ExpiresAt = ago(d) }
	}
	made := func(d time.Duration) func(*ingot.MeshKey) {
		return func(k *ingot.MeshKey) { k.CreationTimestamp = *ago(d) }
	}
	for name, c := range map[string]struct {
		key    *ingot.MeshKey
		member bool
		over   bool
	}{
		"used, and kept for long enough":     {key(ingot.MeshKeyUsed, used(keep)), false, true},
		"used a second too late for that":    {key(ingot.MeshKeyUsed, used(keep-time.Second)), false, false},
		"used by a member":                   {key(ingot.MeshKeyUsed, used(99*keep)), true, false},
		"used, nobody knows when":            {key(ingot.MeshKeyUsed, nil), false, false},
		"expired, and kept for long enough":  {key(ingot.MeshKeyExpired, expired(keep)), false, true},
		"expired a second too late for that": {key(ingot.MeshKeyExpired, expired(keep-time.Second)), false, false},
		"nobody asked for it in a day":       {key(ingot.MeshKeyPending, made(unasked)), false, true},
		"somebody may ask for it yet":        {key(ingot.MeshKeyPending, made(unasked-time.Second)), false, false},
		"refused for a day":                  {key(ingot.MeshKeyRefused, made(unasked)), false, true},
		"refused lately":                     {key(ingot.MeshKeyRefused, made(unasked-time.Second)), false, false},
		"handed out, and good":               {key(ingot.MeshKeyMinted, nil), false, false},
		"nobody has looked at it":            {key("", nil), false, false},
		"a controller's, which goes with its own": {key(ingot.MeshKeyUsed, func(k *ingot.MeshKey) {
			used(99 * keep)(k)
			k.OwnerReferences = []metav1.OwnerReference{{Kind: "Machine", Name: "edge", Controller: ptr.To(true)}}
		}), false, false},
		"it goes already": {key(ingot.MeshKeyUsed, func(k *ingot.MeshKey) {
			used(99 * keep)(k)
			k.DeletionTimestamp = ago(0)
		}), false, false},
	} {
		if got := isOver(c.key, c.member, now, keep); got != c.over {
			t.Errorf("%s: %t", name, got)
		}
	}
}
