package findings_test

import (
	"fmt"
	"strings"
	"testing"
)

// launches is a second of one launch after the other, every 20 us: all of them, or those in the first 60 of
// every 100 ms, where capture was on.
func launches(windows bool) string {
	var b strings.Builder
	b.WriteString("window 0s 1s\nsource\ny = a + b\nend\nthread m main python known period=2ms\nstack here <module>@<cell>:1\ndevice 0 GPU\nline m 0s 1\n")
	for part := range 10 {
		n := 5000
		if windows {
			n = 3000
			fmt.Fprintf(&b, "captured %dms %dms missed=%d\n", 100*part, 100*part+60, 2000*min(part, 1))
		}
		for i := range n {
			t := 100_000*part + 20*i
			fmt.Fprintf(&b, "kernel m %dus %dus %dus %dus add\n", t+4, t+10, t+16, t+18)
		}
	}
	for i := range 500 {
		fmt.Fprintf(&b, "sample m %dus python stack=here\n", 2000*i+1)
	}
	return b.String()
}

// Windows of a capture tell what fewer launches would save, nearly as the replay of the whole cell does.
func TestFewerLaunchesSeenInWindows(t *testing.T) {
	whole, parts := of(t, launches(false), "launch-bound-small-kernels"), of(t, launches(true), "launch-bound-small-kernels")
	if whole == nil || parts == nil {
		t.Fatalf("found %v, in windows %v", whole, parts)
	}
	if low, high := parts.Saving.LowNs, parts.Saving.HighNs; low < whole.Saving.HighNs*3/10 || high < whole.Saving.HighNs*9/10 || high > whole.Saving.HighNs*11/10 {
		t.Errorf("%d to %d ms are saved, in windows %d to %d ms", whole.Saving.LowNs/1e6, whole.Saving.HighNs/1e6, low/1e6, high/1e6)
	}
}
