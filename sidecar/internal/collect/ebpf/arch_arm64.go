package ebpf

import "github.com/cilium/ebpf"

// taskHasPreemptCount says whether a task itself knows if it is in an interrupt.
const taskHasPreemptCount = true

// interruptSources are the ways to see interrupts, best first.
var interruptSources = []probeInterruptSource{
	probeInterruptSourceINTERRUPT_COUNTED,
	probeInterruptSourceINTERRUPT_GUESSED,
}

// interruptPrograms are not needed here.
type interruptPrograms struct{}

func (*interruptPrograms) list() []*ebpf.Program { return nil }
