package imagebuild

import (
	"strings"
	"testing"
)

func TestKernelArguments(t *testing.T) {
	if err := checkArguments([]string{"nomodeset", "pci=noaer"}); err != nil {
		t.Error(err)
	}
	for want, all := range map[string][]string{"console is Ingot's own": {"nomodeset", "console=ttyS1"}, "write a word": {"a b"}, "9 are given": make([]string, 9)} {
		if err := checkArguments(all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", all, err)
		}
	}
	if a, b := argumentKey([]string{"nomodeset"}), argumentKey([]string{"pci=noaer"}); a == b || a == "" || argumentKey(nil) != "" {
		t.Errorf("builds with other arguments are called the same: %q, %q", a, b)
	}
}
