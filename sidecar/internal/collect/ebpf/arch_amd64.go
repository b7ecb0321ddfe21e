package ebpf

import "github.com/cilium/ebpf"

// taskHasPreemptCount says whether a task itself knows if it is in an interrupt;
// here a variable of each CPU does.
const taskHasPreemptCount = false

// interruptSources are the ways to see interrupts, best first. A kernel built
// without CONFIG_KALLSYMS_ALL hides the variable.
var interruptSources = []probeInterruptSource{
	probeInterruptSourceINTERRUPT_COUNTED,
	probeInterruptSourceINTERRUPT_TRACED,
	probeInterruptSourceINTERRUPT_GUESSED,
}

// interruptPrograms follow the interrupts from their tracepoints.
type interruptPrograms struct {
	OnHardEntry  *ebpf.Program `ebpf:"on_hard_entry"`
	OnHardExit   *ebpf.Program `ebpf:"on_hard_exit"`
	OnSoftEntry  *ebpf.Program `ebpf:"on_soft_entry"`
	OnSoftExit   *ebpf.Program `ebpf:"on_soft_exit"`
	OnTimerEntry *ebpf.Program `ebpf:"on_timer_entry"`
	OnTimerExit  *ebpf.Program `ebpf:"on_timer_exit"`
}

func (i *interruptPrograms) list() []*ebpf.Program {
	return []*ebpf.Program{i.OnHardEntry, i.OnHardExit, i.OnSoftEntry, i.OnSoftExit, i.OnTimerEntry, i.OnTimerExit}
}
