package timeline

import "testing"

// Collection begins before the cell and ends after it; a GPU's records are drained by the
// cell's own thread in between.
func TestCPUTimeBesideTheWindowIsTakenOff(t *testing.T) {
	b := NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	main.SetKnown(Interval{Start: 0, End: 1000})
	main.AppendOffCPU(50, 60, 60, ReasonLock, -1, 0, 0)    // before the window: ran 90 of 100
	main.AppendOffCPU(200, 300, 300, ReasonLock, -1, 0, 0) // inside: ran 400 of 500
	main.AppendOffCPU(700, 750, 750, ReasonLock, -1, 0, 0) // after: ran 350 of 400
	main.SetCPU(90 + 400 + 350)
	tl := b.Build(Interval{Start: 100, End: 600})
	if got := tl.Threads[1].CPUNs; got != 400 {
		t.Errorf("CPU time %d ns, want the 400 of the window", got)
	}
}
