// Package devices sums what each GPU of a timeline did: busy and idle time,
// compute, communication and copies, each as the length of a union of intervals.
package devices

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// topKernels is how many kernels a device lists.
const topKernels = 10

// Sum gives one entry a device that did anything, in the timeline's order. plan is
// that of the same timeline.
func Sum(tl *timeline.Timeline, plan *coverage.Plan) []result.Device {
	out := []result.Device{}
	for i := range tl.Devices {
		if tl.Devices[i].Ops.Len() > 0 {
			out = append(out, sum(tl, &tl.Devices[i], plan, &plan.Devices[i]))
		}
	}
	return out
}

// union measures the union of intervals that come sorted by their start.
type union struct{ ns, end int64 }

// add gives how much longer the union became.
func (u *union) add(start, end int64) (ns int64) {
	if start = max(start, u.end); end > start {
		ns = end - start
		u.ns += ns
	}
	u.end = max(u.end, end)
	return ns
}

// class is what a device operation is for.
type class uint8

const (
	compute class = iota
	comm
	memcpy
	memset
)

// Communication says whether a kernel of that name communicates between devices: NCCL's and
// RCCL's kernels carry the library's name.
func Communication(name string) bool {
	lower := strings.ToLower(name)
	return strings.Contains(lower, "nccl") || strings.Contains(lower, "rccl")
}

// counts are numbers of operations and lengths of unions, as far as they lie in one
// slot of the plan.
type counts struct {
	kernels, graphs, memcpys, memsets, kernelNs, busy int64
	byClass                                           [4]int64
	// allKernels is the union of kernels of both classes, andCopies that of copies too.
	allKernels, andCopies int64
}

// times is how often something ran, for how long, and with how many bytes, by slot.
type times struct{ count, ns, bytes coverage.Sums }

func newTimes(slots int) times {
	all := make(coverage.Sums, 3*slots)
	return times{all[:slots:slots], all[slots : 2*slots : 2*slots], all[2*slots:]}
}

func (t *times) add(slot int, ns, bytes int64) {
	t.count[slot]++
	t.ns[slot] += ns
	t.bytes[slot] += bytes
}

// tally sums a device's operations by slot.
type tally struct {
	plan   *coverage.Plan
	slots  []counts
	names  map[timeline.NameID]*times
	copies map[copyKey]*times
}

func sum(tl *timeline.Timeline, d *timeline.Device, plan *coverage.Plan, seen *coverage.Device) result.Device {
	ops := &d.Ops
	out := result.Device{Index: d.Index, Name: d.Name, PCI: d.PCI, Sensors: sensors(tl, d), Coverage: plan.Record(), ClockErrorNs: tl.DeviceClockNs}
	t := tally{plan, make([]counts, plan.Slots()), map[timeline.NameID]*times{}, map[copyKey]*times{}}
	// Unions of the classes, and of the sets whose difference is what is exposed.
	var byClass [4]union
	var busy, kernels, kernelsAndCopies, carryIn union
	communicates := map[timeline.NameID]bool{}
	last := int64(0)
	for i := range ops.Start {
		start, end := ops.Start[i], ops.End[i]
		last = max(last, end)
		if call := ops.Call[i]; call >= 0 {
			out.ClockErrorNs = max(out.ClockErrorNs, tl.Calls.Start[call]-start)
		}
		slot := seen.Slot(i)
		if slot == coverage.Unknown {
			continue
		}
		n := &t.slots[slot]
		n.busy += busy.add(start, end)
		if seen.Carried[i] {
			carryIn.add(start, end)
		} else if end > tl.Window.End {
			out.CarryOutNs = max(out.CarryOutNs, end-tl.Window.End)
		}
		switch ops.Kind[i] {
		case timeline.OpKernel:
			n.kernels++
			n.kernelNs += end - start
			if ops.Graph[i] != 0 {
				n.graphs++
			}
			id := ops.Name[i]
			k := t.names[id]
			if k == nil {
				fresh := newTimes(len(t.slots))
				k = &fresh
				t.names[id] = k
				communicates[id] = Communication(tl.Names.String(id))
			}
			k.add(slot, end-start, 0)
			of := compute
			if communicates[id] {
				of = comm
			}
			n.byClass[of] += byClass[of].add(start, end)
			n.allKernels += kernels.add(start, end)
			n.andCopies += kernelsAndCopies.add(start, end)
		case timeline.OpMemcpy:
			n.memcpys++
			n.byClass[memcpy] += byClass[memcpy].add(start, end)
			n.andCopies += kernelsAndCopies.add(start, end)
			key := copyKey{ops.Copy[i], ops.Source[i], ops.Target[i]}
			c := t.copies[key]
			if c == nil {
				fresh := newTimes(len(t.slots))
				c = &fresh
				t.copies[key] = c
			}
			c.add(slot, end-start, ops.Bytes[i])
		case timeline.OpMemset:
			n.memsets++
			n.byClass[memset] += byClass[memset].add(start, end)
		}
	}
	out.WindowNs = last - ops.Start[0]
	out.CarryInNs = carryIn.ns
	out.CellIdleNs = seen.IdleNs
	t.totals(&out, tl, seen)
	t.list(&out, tl)
	return out
}

// of is one of the counts by slot.
func (t *tally) of(count func(*counts) int64) coverage.Sums {
	out := make(coverage.Sums, len(t.slots))
	for i := range t.slots {
		out[i] = count(&t.slots[i])
	}
	return out
}

// totals fills in the device's numbers and lengths.
func (t *tally) totals(out *result.Device, tl *timeline.Timeline, seen *coverage.Device) {
	kernels, memcpys := t.of(func(n *counts) int64 { return n.kernels }), t.of(func(n *counts) int64 { return n.memcpys })
	memsets, kernelNs := t.of(func(n *counts) int64 { return n.memsets }), t.of(func(n *counts) int64 { return n.kernelNs })
	var within result.Coverage
	out.Kernels, within.Kernels = t.plan.Kernels(kernels, t.of(func(n *counts) int64 { return n.kernels - n.graphs }))
	out.Memcpys, within.Memcpys = t.plan.Total(memcpys)
	out.Memsets, within.Memsets = t.plan.Total(memsets)
	out.KernelSumNs, within.KernelSumNs = t.plan.Total(kernelNs)
	length := func(count func(*counts) int64) int64 {
		return max(coverage.Round(t.plan.Work(t.of(count))), 0)
	}
	out.BusyNs = length(func(n *counts) int64 { return n.busy })
	out.ComputeNs, out.CommNs = length(func(n *counts) int64 { return n.byClass[compute] }), length(func(n *counts) int64 { return n.byClass[comm] })
	out.MemcpyNs, out.MemsetNs = length(func(n *counts) int64 { return n.byClass[memcpy] }), length(func(n *counts) int64 { return n.byClass[memset] })
	out.ExposedCommNs = length(func(n *counts) int64 { return n.allKernels - n.byClass[compute] })
	out.ExposedMemcpyNs = length(func(n *counts) int64 { return n.andCopies - n.allKernels })
	if out.Coverage != nil {
		within.Share, within.Windows = out.Coverage.Share, out.Coverage.Windows
		out.Coverage = &within
		fit(out, tl.Extent, seen)
	}
	out.IdleNs = max(out.WindowNs-out.BusyNs, 0)
}

// fit makes what a device was estimated to have done fill, with its idle time, the
// cell exactly, as it does where it was measured.
func fit(out *result.Device, cell timeline.Interval, seen *coverage.Device) {
	within := out.Coverage
	within.CellIdleNs = seen.Idle
	within.BusyNs = result.Range{Low: cell.Ns() - seen.Idle.High, High: cell.Ns() - seen.Idle.Low}
	covered, behind := out.CommNs-out.ExposedCommNs, out.MemcpyNs-out.ExposedMemcpyNs
	sets := max(out.BusyNs-out.ComputeNs-out.ExposedCommNs-out.ExposedMemcpyNs, 0)
	out.BusyNs = cell.Ns() - out.CellIdleNs
	parts := coverage.Apportion(out.BusyNs, []float64{float64(out.ComputeNs), float64(out.ExposedCommNs), float64(out.ExposedMemcpyNs), float64(sets)})
	out.ComputeNs, out.ExposedCommNs, out.ExposedMemcpyNs = parts[0], parts[1], parts[2]
	out.CommNs, out.MemcpyNs = out.ExposedCommNs+max(covered, 0), out.ExposedMemcpyNs+max(behind, 0)
	out.MemsetNs = max(out.MemsetNs, parts[3])
	out.WindowNs = max(out.WindowNs, out.BusyNs)
}

// list fills in the device's kernels and copies, which sum to its totals.
func (t *tally) list(out *result.Device, tl *timeline.Timeline) {
	out.Copies, out.TopKernels = []result.Copy{}, []result.Kernel{}
	all := make([]*times, 0, max(len(t.copies), len(t.names)))
	for _, key := range slices.SortedFunc(maps.Keys(t.copies), copyKey.compare) {
		c := t.copies[key]
		out.Copies = append(out.Copies, result.Copy{Kind: key.kind.String(), Source: key.source.String(), Target: key.target.String(),
			Bytes: coverage.Round(t.plan.Work(c.bytes))})
		all = append(all, c)
	}
	counted := t.shared(out.Memcpys, all)
	for i, c := range all {
		x := &out.Copies[i]
		x.Count, x.CountRange = counted[i], t.plan.Within(counted[i], c.count)
		x.Ns, x.NsRange = t.plan.Total(c.ns)
	}
	slices.SortFunc(out.Copies, func(x, y result.Copy) int {
		return cmp.Or(cmp.Compare(y.Ns, x.Ns), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Target, y.Target))
	})
	all = all[:0]
	for _, id := range slices.Sorted(maps.Keys(t.names)) {
		out.TopKernels = append(out.TopKernels, result.Kernel{Name: tl.Names.String(id)})
		all = append(all, t.names[id])
	}
	counted = t.shared(out.Kernels, all)
	for i, k := range all {
		x := &out.TopKernels[i]
		x.Count, x.CountRange = counted[i], t.plan.Within(counted[i], k.count)
		x.Ns, x.NsRange = t.plan.Total(k.ns)
	}
	slices.SortFunc(out.TopKernels, func(x, y result.Kernel) int {
		return cmp.Or(cmp.Compare(y.Ns, x.Ns), cmp.Compare(x.Name, y.Name))
	})
	out.TopKernels = out.TopKernels[:min(len(out.TopKernels), topKernels)]
}

// shared are the counts of all, which sum to total.
func (t *tally) shared(total int64, all []*times) []int64 {
	counted := make([]float64, len(all))
	for i, x := range all {
		counted[i] = t.plan.Work(x.count)
	}
	return coverage.Apportion(total, counted)
}

type copyKey struct {
	kind           timeline.CopyKind
	source, target timeline.MemoryKind
}

func (k copyKey) compare(o copyKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.source, o.source), cmp.Compare(k.target, o.target))
}

// sensors finds the management library's entry of a device by bus id; CUDA and
// NVML number devices independently.
func sensors(tl *timeline.Timeline, d *timeline.Device) *timeline.Sensors {
	for i := range tl.Sensors {
		if d.PCI != "" && strings.EqualFold(tl.Sensors[i].PCI, d.PCI) {
			return &tl.Sensors[i]
		}
	}
	return nil
}
