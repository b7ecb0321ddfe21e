// Package devices sums what each GPU of a timeline did: busy and idle time,
// compute, communication and copies, each as the length of a union of intervals.
package devices

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// topKernels is how many kernels a device lists.
const topKernels = 10

// Sum gives one entry a device that did anything, in the timeline's order.
func Sum(tl *timeline.Timeline) []result.Device {
	out := []result.Device{}
	for i := range tl.Devices {
		d := &tl.Devices[i]
		if d.Ops.Len() > 0 {
			out = append(out, sum(tl, d))
		}
	}
	return out
}

// CarriedIn says of each operation whether it was launched before the cell. A
// stream keeps the order of its launches, so an operation without a call that
// follows one of the cell's on its stream is the cell's too, its call was lost.
func CarriedIn(ops *timeline.Ops) []bool {
	out := make([]bool, ops.Len())
	own := map[uint32]bool{}
	var last uint32
	known := false // last is a stream with work of the cell
	for i, call := range ops.Call {
		stream := ops.Stream[i]
		if call >= 0 {
			if !known || stream != last {
				own[stream] = true
				last, known = stream, true
			}
			continue
		}
		out[i] = !own[stream]
	}
	return out
}

// union measures the union of intervals that come sorted by their start.
type union struct{ ns, end int64 }

func (u *union) add(start, end int64) {
	if start = max(start, u.end); end > start {
		u.ns += end - start
	}
	u.end = max(u.end, end)
}

// class is what a device operation is for.
type class uint8

const (
	compute class = iota
	comm
	memcpy
	memset
)

// isComm says whether a kernel communicates between devices: NCCL's and RCCL's
// kernels carry the library's name.
func isComm(name string) bool {
	lower := strings.ToLower(name)
	return strings.Contains(lower, "nccl") || strings.Contains(lower, "rccl")
}

func sum(tl *timeline.Timeline, d *timeline.Device) result.Device {
	ops := &d.Ops
	out := result.Device{Index: d.Index, Name: d.Name, PCI: d.PCI, Copies: []result.Copy{}, TopKernels: []result.Kernel{},
		Sensors: sensors(tl, d)}
	// Unions of the classes, and of the sets whose difference is what is exposed.
	var byClass [4]union
	var busy, kernels, kernelsAndCopies, carryIn, cell union
	names := map[timeline.NameID]*result.Kernel{}
	communicates := map[timeline.NameID]bool{}
	copies := map[copyKey]*result.Copy{}
	last := int64(0)
	cell.end = tl.Extent.Start
	carried := CarriedIn(ops)
	for i := range ops.Start {
		start, end := ops.Start[i], ops.End[i]
		last = max(last, end)
		busy.add(start, end)
		cell.add(start, min(end, tl.Extent.End))
		if carried[i] {
			carryIn.add(start, end)
		} else if end > tl.Window.End {
			out.CarryOutNs = max(out.CarryOutNs, end-tl.Window.End)
		}
		switch ops.Kind[i] {
		case timeline.OpKernel:
			out.Kernels++
			out.KernelSumNs += end - start
			id := ops.Name[i]
			k := names[id]
			if k == nil {
				k = &result.Kernel{Name: tl.Names.String(id)}
				names[id] = k
				communicates[id] = isComm(k.Name)
			}
			k.Count++
			k.Ns += end - start
			of := compute
			if communicates[id] {
				of = comm
			}
			byClass[of].add(start, end)
			kernels.add(start, end)
			kernelsAndCopies.add(start, end)
		case timeline.OpMemcpy:
			out.Memcpys++
			byClass[memcpy].add(start, end)
			kernelsAndCopies.add(start, end)
			key := copyKey{ops.Copy[i], ops.Source[i], ops.Target[i]}
			c := copies[key]
			if c == nil {
				c = &result.Copy{Kind: key.kind.String(), Source: key.source.String(), Target: key.target.String()}
				copies[key] = c
			}
			c.Count++
			c.Ns += end - start
			c.Bytes += ops.Bytes[i]
		case timeline.OpMemset:
			out.Memsets++
			byClass[memset].add(start, end)
		}
	}
	out.WindowNs = last - ops.Start[0]
	out.BusyNs, out.IdleNs = busy.ns, out.WindowNs-busy.ns
	out.ComputeNs, out.CommNs = byClass[compute].ns, byClass[comm].ns
	out.MemcpyNs, out.MemsetNs = byClass[memcpy].ns, byClass[memset].ns
	out.ExposedCommNs = kernels.ns - out.ComputeNs
	out.ExposedMemcpyNs = kernelsAndCopies.ns - kernels.ns
	out.CarryInNs = carryIn.ns
	out.CellIdleNs = tl.Extent.Ns() - cell.ns
	for _, c := range copies {
		out.Copies = append(out.Copies, *c)
	}
	slices.SortFunc(out.Copies, func(x, y result.Copy) int {
		return cmp.Or(cmp.Compare(y.Ns, x.Ns), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Target, y.Target))
	})
	for _, k := range names {
		out.TopKernels = append(out.TopKernels, *k)
	}
	slices.SortFunc(out.TopKernels, func(x, y result.Kernel) int {
		return cmp.Or(cmp.Compare(y.Ns, x.Ns), cmp.Compare(x.Name, y.Name))
	})
	out.TopKernels = out.TopKernels[:min(len(out.TopKernels), topKernels)]
	return out
}

type copyKey struct {
	kind           timeline.CopyKind
	source, target timeline.MemoryKind
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
