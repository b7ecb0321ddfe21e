package ebpf

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
)

// programs are the loaded eBPF programs with their maps: loaded once, attached for each cell.
type programs struct {
	coreObjects
	interrupts []*ebpf.Program
	scheduler  *ringbuf.Reader
	samples    *ringbuf.Reader
	majors     deviceMajors
	// source says how interrupts are told apart when a waker is named.
	source probeInterruptSource
}

// coreObjects is what is needed on every kernel.
type coreObjects struct {
	probeMaps
	Python     *ebpf.Variable `ebpf:"python"`
	FlushTasks *ebpf.Program  `ebpf:"flush_tasks"`
	OnExec     *ebpf.Program  `ebpf:"on_exec"`
	OnExit     *ebpf.Program  `ebpf:"on_exit"`
	OnFork     *ebpf.Program  `ebpf:"on_fork"`
	OnSample   *ebpf.Program  `ebpf:"on_sample"`
	OnSwitch   *ebpf.Program  `ebpf:"on_switch"`
	OnWaking   *ebpf.Program  `ebpf:"on_waking"`
	SeedTasks  *ebpf.Program  `ebpf:"seed_tasks"`
}

func (o *coreObjects) close() error {
	return errors.Join(o.probeMaps.Close(), o.FlushTasks.Close(), o.OnExec.Close(), o.OnExit.Close(), o.OnFork.Close(),
		o.OnSample.Close(), o.OnSwitch.Close(), o.OnWaking.Close(), o.SeedTasks.Close())
}

// loadPrograms loads everything into the kernel. It takes tens of milliseconds.
func loadPrograms(o Options) (*programs, error) {
	cache := btf.NewCache()
	// The parsed types of a kernel are tens of megabytes, needed for the moment of loading.
	defer debug.FreeOSMemory()

	var errs []error
	for _, source := range interruptSources {
		p, err := loadWith(o, cache, source)
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
		if errors.Is(err, unix.EPERM) {
			break
		}
	}
	// The last way asks the least of the kernel: its error is the telling one.
	return nil, errs[len(errs)-1]
}

// errNoSource says that a kernel has not what a way to see interrupts needs.
var errNoSource = errors.New("the kernel does not show its interrupts this way")

// loadWith loads everything with one way of seeing interrupts.
func loadWith(o Options, cache *btf.Cache, source probeInterruptSource) (_ *programs, err error) {
	spec, err := loadProbe()
	if err != nil {
		return nil, fmt.Errorf("read the embedded programs: %w", err)
	}
	kernel, err := cache.Kernel()
	if err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w", err)
	}
	p := &programs{majors: nvidiaMajors(), source: source}
	if err := p.specialise(spec, kernel, o); err != nil {
		return nil, err
	}
	collection := &ebpf.CollectionOptions{Cache: cache}
	if source == probeInterruptSourceINTERRUPT_TRACED {
		objects := struct {
			coreObjects
			interruptPrograms
		}{}
		if err := spec.LoadAndAssign(&objects, collection); err != nil {
			return nil, fmt.Errorf("load the programs: %w", err)
		}
		p.coreObjects, p.interrupts = objects.coreObjects, objects.list()
	} else if err := spec.LoadAndAssign(&p.coreObjects, collection); err != nil {
		return nil, fmt.Errorf("load the programs: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.scheduler, err = ringbuf.NewReader(p.SchedulerRing); err != nil {
		return nil, fmt.Errorf("map the scheduler's ring: %w", err)
	}
	if p.samples, err = ringbuf.NewReader(p.SampleRing); err != nil {
		return nil, fmt.Errorf("map the sampler's ring: %w", err)
	}
	return p, nil
}

// specialise adapts the programs to the running kernel before they are loaded.
func (p *programs) specialise(spec *ebpf.CollectionSpec, kernel *btf.Spec, o Options) error {
	set := func(name string, value any) error {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
		return nil
	}
	if p.source == probeInterruptSourceINTERRUPT_COUNTED && !taskHasPreemptCount {
		id := preemptCount(kernel)
		if id == 0 || !patchPreemptCount(spec, id) {
			return errNoSource
		}
	}
	spec.Maps[probeMapSchedulerRing].MaxEntries = uint32(o.SchedulerRing)
	spec.Maps[probeMapSampleRing].MaxEntries = uint32(o.SampleRing)
	return errors.Join(
		set(probeVarInterruptsSeen, uint8(p.source)),
		set(probeVarWakeupBytes, uint32(o.SchedulerRing/4)),
		set(probeVarSyscallClasses, syscallClasses()),
		set(probeVarDeviceMajor, p.majors[len(p.majors)-1]),
		set(probeVarHasPrevState, switchHasPrevState(kernel)),
	)
}

// switchHasPrevState says whether the sched_switch tracepoint passes the state
// with which the thread left, as it does from Linux 5.18 on.
func switchHasPrevState(kernel *btf.Spec) bool {
	var trace *btf.Typedef
	if err := kernel.TypeByName("btf_trace_sched_switch", &trace); err != nil {
		return false
	}
	pointer, ok := trace.Type.(*btf.Pointer)
	if !ok {
		return false
	}
	proto, ok := pointer.Target.(*btf.FuncProto)
	// The first parameter is the tracepoint's own.
	return ok && len(proto.Params) == 5
}

// preemptCount is the type id of the kernel's variable __preempt_count, 0 if it has none.
func preemptCount(kernel *btf.Spec) btf.TypeID {
	var variable *btf.Var
	if err := kernel.TypeByName("__preempt_count", &variable); err != nil {
		return 0
	}
	id, err := kernel.TypeID(variable)
	if err != nil {
		return 0
	}
	return id
}

const (
	// preemptCountMark stands in the programs for the address of __preempt_count.
	preemptCountMark = 0x496e666572536370
	// pseudoBTFID marks a load of the address of a kernel variable (BPF_PSEUDO_BTF_ID).
	pseudoBTFID = asm.R3
)

// patchPreemptCount makes each mark a load of the variable's address: the loader
// library resolves kernel variables of no type only.
func patchPreemptCount(spec *ebpf.CollectionSpec, id btf.TypeID) bool {
	found := false
	for _, program := range spec.Programs {
		for i := range program.Instructions {
			ins := &program.Instructions[i]
			if ins.OpCode.IsDWordLoad() && ins.Constant == preemptCountMark {
				ins.Src, ins.Constant = pseudoBTFID, int64(id)
				found = true
			}
		}
	}
	return found
}

// nvidiaMajors are the device numbers of the driver's files. The one that is
// allocated at run time is found in /proc/devices; the last is the one in use most.
func nvidiaMajors() deviceMajors {
	const nvidia = 195
	majors := deviceMajors{}
	text, err := os.ReadFile("/proc/devices")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			number, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if major, err := strconv.ParseUint(number, 10, 12); err == nil && strings.HasPrefix(name, "nvidia") && major != nvidia {
				majors = append(majors, uint32(major))
			}
		}
	}
	return append(majors, nvidia)
}

// Close implements bpfsource.Programs.
func (p *programs) Close() error {
	var errs []error
	for _, program := range p.interrupts {
		errs = append(errs, program.Close())
	}
	if p.scheduler != nil {
		errs = append(errs, p.scheduler.Close())
	}
	if p.samples != nil {
		errs = append(errs, p.samples.Close())
	}
	return errors.Join(append(errs, p.coreObjects.close())...)
}

// attachment is the programs at work.
type attachment struct {
	links    []link.Link
	samplers []int
}

// attach starts the programs. hz 0 leaves the sampler out.
func (p *programs) attach(hz int) (_ *attachment, err error) {
	a := &attachment{}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.detach())
		}
	}()
	for _, program := range append(slices.Clone(p.interrupts), p.OnFork, p.OnExec, p.OnExit, p.OnWaking, p.OnSwitch) {
		l, err := link.AttachTracing(link.TracingOptions{Program: program})
		if err != nil {
			return nil, fmt.Errorf("attach %s: %w", program, err)
		}
		a.links = append(a.links, l)
	}
	if hz > 0 {
		if err := a.attachSampler(p.OnSample, hz); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// attachSampler opens one clock on each CPU. The clock runs on every CPU at all
// times; the program returns at once for threads that are not observed.
func (a *attachment) attachSampler(program *ebpf.Program, hz int) error {
	cpus, err := onlineCPUs()
	if err != nil {
		return err
	}
	attr := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_SOFTWARE,
		Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Sample: uint64(hz),
		Bits:   unix.PerfBitFreq | unix.PerfBitDisabled | unix.PerfBitExcludeIdle,
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	for _, cpu := range cpus {
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) && cpu != cpus[0] {
			continue // the CPU went away
		}
		if err != nil {
			return fmt.Errorf("open the sampler's clock on CPU %d: %w", cpu, err)
		}
		a.samplers = append(a.samplers, fd)
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, program.FD()); err != nil {
			return fmt.Errorf("attach the sampler: %w", err)
		}
		if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
			return fmt.Errorf("start the sampler: %w", err)
		}
	}
	return nil
}

func (a *attachment) detach() error {
	var errs []error
	for _, fd := range a.samplers {
		errs = append(errs, unix.Close(fd))
	}
	for _, l := range a.links {
		errs = append(errs, l.Close())
	}
	a.samplers, a.links = nil, nil
	return errors.Join(errs...)
}

// onlineCPUs reads the kernel's list, "0-3,6".
func onlineCPUs() ([]int, error) {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("list the CPUs: %w", err)
	}
	return parseCPUList(strings.TrimSpace(string(text)))
}

func parseCPUList(text string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err := strconv.Atoi(low)
		if err != nil {
			return nil, fmt.Errorf("list of CPUs %q: %w", text, err)
		}
		last, err := strconv.Atoi(high)
		if err != nil {
			return nil, fmt.Errorf("list of CPUs %q: %w", text, err)
		}
		if first < 0 || last < first || last-first > 1<<16 {
			return nil, fmt.Errorf("list of CPUs %q: not a range", text)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// markRoot makes the leader of a process the root of what is observed.
func (p *programs) markRoot(pidfd int) error {
	value := probeThreadState{Root: true}
	if err := p.Threads.Put(uint32(pidfd), &value); err != nil {
		return fmt.Errorf("mark the process: %w", err)
	}
	return nil
}

// seed finds the threads of the root and of its descendants.
func (p *programs) seed() error { return bpfsource.Iterate(p.SeedTasks) }

// flush reports what is still open and forgets every thread.
func (p *programs) flush() error { return bpfsource.Iterate(p.FlushTasks) }

// lost sums what the programs counted on all CPUs since they were loaded.
func (p *programs) lost() (probeLossCounts, error) {
	sum, err := bpfsource.Counts(p.Losses, func(sum, each *probeLossCounts) {
		sum.Scheduler += each.Scheduler
		sum.Samples += each.Samples
		sum.Walks += each.Walks
		sum.Records += each.Records
	})
	if err != nil {
		return sum, fmt.Errorf("read the counts of lost records: %w", err)
	}
	return sum, nil
}
