package findings_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

// turns are kernels of 50 ms on two streams in turn, each behind an event of the other, all launched at once, on a
// GPU whose multiprocessors are busy as the options of sensors say.
func turns(t *testing.T, sensors string) *result.Result {
	t.Helper()
	var b strings.Builder
	b.WriteString("window 0s 1s\nsource\na()\nb()\ntorch.cuda.synchronize()\nend\nthread m main python known\ndevice 0 GPU pci=1\n" + sensors + "\n")
	for i := range 19 {
		fmt.Fprintf(&b, "line m %dus %d\nkernel m %dus %dus %dms %dms spin stream=%d\n", 10*i, 1+i%2, 10*i, 10*i+3, 50*i+1, 50*i+51, 1+i%2)
		fmt.Fprintf(&b, "call m %dus %dus event cudaEventRecord\ncall m %dus %dus event cudaStreamWaitEvent\n", 10*i+4, 10*i+5, 10*i+6, 10*i+7)
	}
	b.WriteString("line m 300us 3\ncall m 310us 952ms sync cudaDeviceSynchronize\n")
	f, err := fixture.Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
}

// Streams that take turns on a busy GPU gain by running side by side as far as there is room.
func TestStreamsTakeTurnsOnABusyGPU(t *testing.T) {
	for sensors, want := range map[string]string{
		"sensors pci=1 sms=0.01": "high, saves up to 450 ms", // ten kernels on one stream remain of nineteen
		"sensors pci=1 sms=0.7":  "",
		"":                       "info, saves up to 0 ms",
	} {
		r := turns(t, sensors)
		got := ""
		if i := slices.IndexFunc(r.Findings, func(f result.Finding) bool { return f.ID == "stream-serialised" }); i >= 0 {
			got = fmt.Sprintf("%s, saves up to %d ms", r.Findings[i].Severity, r.Findings[i].Saving.HighNs/1e6)
		}
		if got != want {
			t.Errorf("with %q: %q, want %q", sensors, got, want)
		}
	}
}
