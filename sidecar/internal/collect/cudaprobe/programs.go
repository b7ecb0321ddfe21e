package cudaprobe

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/inferscope/inferscope/sidecar/internal/collect/bpfsource"
	"github.com/inferscope/inferscope/sidecar/internal/collect/privilege"
)

// programs are the loaded eBPF programs with their maps: loaded once, attached for each cell that needs them.
type programs struct {
	callsObjects
	reader *ringbuf.Reader
	// session counts the sessions: what a thread's state holds of another one is void.
	session uint64
}

// loadPrograms loads everything into the kernel. It takes tens of milliseconds.
func loadPrograms(ringBytes int) (_ *programs, err error) {
	// The parsed types of a kernel are tens of megabytes, needed for the moment of loading.
	defer debug.FreeOSMemory()
	if err := features.HaveBPFLinkUprobeMulti(); errors.Is(err, ebpf.ErrNotSupported) {
		return nil, privilege.Missing{Detail: "the kernel cannot probe many functions of a program at once: Linux 6.10 or newer is needed", Enable: "upgrade the kernel"}
	} else if err != nil {
		return nil, fmt.Errorf("ask whether the kernel can probe programs: %w", err)
	}
	spec, err := loadCalls()
	if err != nil {
		return nil, fmt.Errorf("read the embedded programs: %w", err)
	}
	spec.Maps[callsMapRing].MaxEntries = uint32(ringBytes)
	if err := spec.Variables[callsVarWakeupBytes].Set(uint32(ringBytes / 4)); err != nil {
		return nil, fmt.Errorf("set %s: %w", callsVarWakeupBytes, err)
	}
	p := &programs{}
	if err := spec.LoadAndAssign(&p.callsObjects, &ebpf.CollectionOptions{Cache: btf.NewCache()}); err != nil {
		return nil, fmt.Errorf("load the programs: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.checkFilter(); err != nil {
		return nil, err
	}
	if p.reader, err = ringbuf.NewReader(p.Ring); err != nil {
		return nil, fmt.Errorf("map the ring: %w", err)
	}
	return p, nil
}

// checkFilter refuses a kernel that takes the process of a probe for one thread, as
// Linux did before 6.10: it would see the calls of the main thread and be silent about
// the others. Such a kernel looks for a process with a negative id, and one that is
// right says that there can be none.
func (p *programs) checkFilter() error {
	self, err := link.OpenExecutable("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("open this program: %w", err)
	}
	// Nothing can be attached for such a process, whatever the address.
	probe, err := self.UprobeMulti(nil, p.OnCall, &link.UprobeMultiOptions{Addresses: []uint64{64}, PID: math.MaxUint32})
	switch {
	case err == nil:
		return errors.Join(errors.New("the kernel accepted a process that cannot be"), probe.Close())
	case errors.Is(err, os.ErrNotExist):
		return privilege.Missing{Detail: "the kernel can probe single threads, but not a process: Linux 6.10 or newer is needed", Enable: "upgrade the kernel"}
	case errors.Is(err, unix.EINVAL):
		return nil
	}
	return fmt.Errorf("ask whether the kernel can probe one process: %w", err)
}

// Close implements bpfsource.Programs.
func (p *programs) Close() error {
	var err error
	if p.reader != nil {
		err = p.reader.Close()
	}
	return errors.Join(err, p.callsObjects.Close())
}

// begin makes states of earlier sessions void and empties the ring. Ids are reported
// as the pid namespace of the process sees them.
func (p *programs) begin(pid int) error {
	var namespace unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid), &namespace); err != nil {
		return fmt.Errorf("look at the process's ids: %w", err)
	}
	p.session++
	err := errors.Join(p.NamespaceDevice.Set(namespace.Dev), p.NamespaceInode.Set(namespace.Ino), p.Session.Set(p.session))
	if err != nil {
		return fmt.Errorf("tell the programs the process: %w", err)
	}
	return p.read(bpfsource.Past, func(*callsCallRecord) {})
}

// attach probes functions of the library at path in one process; they have the indices
// from first on. A function whose first instruction the kernel cannot step over is left
// out and named in refused: as the kernel refuses all probes for the sake of one, they
// are halved until it stands alone. The links are the caller's to close, also beside
// an error.
func (p *programs) attach(pid int, path string, functions []function, first int) (links []link.Link, refused []string, err error) {
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, nil, fmt.Errorf("open the driver's library: %w", err)
	}
	options := &link.UprobeMultiOptions{PID: uint32(pid)}
	for i := range functions {
		options.Addresses = append(options.Addresses, functions[i].offset)
		options.Cookies = append(options.Cookies, functions[i].cookie(first+i))
	}
	// Returns first: a call that is seen to begin shall be seen to end.
	returns, err := file.UretprobeMulti(nil, p.OnReturn, options)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, errNotSupported) {
		if len(functions) == 1 {
			return nil, []string{functions[0].name}, nil
		}
		for _, half := range [][2]int{{0, len(functions) / 2}, {len(functions) / 2, len(functions)}} {
			more, without, err := p.attach(pid, path, functions[half[0]:half[1]], first+half[0])
			links, refused = append(links, more...), append(refused, without...)
			if err != nil {
				return links, nil, err
			}
		}
		return links, refused, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("probe the returns of the driver's functions: %w", err)
	}
	calls, err := file.UprobeMulti(nil, p.OnCall, options)
	if err != nil {
		return []link.Link{returns}, nil, fmt.Errorf("probe the driver's functions: %w", err)
	}
	return []link.Link{calls, returns}, nil, nil
}

// errNotSupported is the kernel's own ENOTSUPP, which it may let through where POSIX has EOPNOTSUPP.
const errNotSupported = unix.Errno(524)

// flush sends the calls that are under way.
func (p *programs) flush() error { return bpfsource.Iterate(p.FlushCalls) }

// counted sums what the programs counted on all CPUs since they were loaded.
func (p *programs) counted() (callsCallCounts, error) {
	sum, err := bpfsource.Counts(p.Counts, func(sum, each *callsCallCounts) {
		sum.Records += each.Records
		sum.Lost += each.Lost
		sum.Unfinished += each.Unfinished
		sum.Untracked += each.Untracked
	})
	if err != nil {
		return sum, fmt.Errorf("read the counts of calls: %w", err)
	}
	return sum, nil
}
