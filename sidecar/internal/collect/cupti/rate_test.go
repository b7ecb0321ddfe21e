package cupti

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

func TestTheRateOfKernels(t *testing.T) {
	var r rate
	r.begin(1e9)
	d := &decoder{}
	at := func(now, kernels int64) (float64, bool) {
		d.now, d.kernels = now, kernels
		r.observe(d)
		return r.get()
	}
	if got, ok := at(15e8, 400); ok {
		t.Errorf("after half a second %v", got)
	}
	if got, _ := at(3e9, 1000); got != 500 {
		t.Errorf("1000 kernels in 2 s: %v", got)
	}
	if got, _ := at(35e8, 9000); got != 500 {
		t.Errorf("half a second later: %v", got)
	}
	if got, _ := at(4e9, 9000); got != 8000 {
		t.Errorf("the next second: %v", got)
	}
	if got, _ := at(5e9, 9000); got != 0 {
		t.Errorf("a second without: %v", got)
	}
	d.windows.list = []timeline.Window{{Start: 0, End: 1e9, Launches: 1}, {Start: 2e9, End: 21e8, Launches: 700}}
	if got, _ := at(51e8, 9001); got != 7000 {
		t.Errorf("700 in a window of 100 ms: %v", got)
	}
}
