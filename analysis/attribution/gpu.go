package attribution

import (
	"cmp"
	"slices"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// Share is one of the parts that the wall of a cell with a device falls into.
type Share int

// The shares. They sum to the wall exactly.
const (
	// ShareKernels: only kernels that the cell launched were running.
	ShareKernels Share = iota
	// ShareCopies: only copies or sets were, or the host was preparing a pageable copy.
	ShareCopies
	// ShareOverlap: both at once.
	ShareOverlap
	// ShareHiddenKernels: kernels were, while the host worked of its own accord as far as its
	// ranges tell: neither side waited for the other.
	ShareHiddenKernels
	// ShareHiddenCopies: the same of copies or sets alone.
	ShareHiddenCopies
	// ShareCarryIn: only work that was launched before the cell.
	ShareCarryIn
	// ShareHost: the device was idle, and the host is why.
	ShareHost
	// ShareUnseenHost: it was idle, and the host is why, but nothing tells what that did.
	ShareUnseenHost
	// ShareOther: it was idle for a reason that is neither the host's nor a copy's.
	ShareOther
	// ShareUnknown: it was idle, and nothing tells why.
	ShareUnknown
	// NumShares is how many shares there are.
	NumShares
)

// GPU is what the devices' side of a cell adds to an Attribution.
type GPU struct {
	// Busiest is the row in Timeline.Devices that Idle speaks of, Index that device's ordinal.
	Busiest int
	Index   int32
	// WallNs is the cell's wall prolonged to the end of its last operation.
	WallNs int64
	Idle   result.Idle
	// Shares sum to WallNs, and Blocks to Shares: pieces for the verdict's margin, of equal length,
	// or, where the capture was not whole, the strata of coverage.Plan with what they stand for.
	Shares [NumShares]int64
	Blocks [][NumShares]int64
	// Coverage is that of the devices, nil when the capture was whole. Doubt is then half
	// of the interval of the idle time, as a share of the wall.
	Coverage *result.Coverage
	Doubt    float64
	// Columns are what filled most of the idle time of each of result.PictureColumns pieces
	// of the wall (fewer when it is shorter), with the idle ns in it; Kind is empty where there was none.
	Columns []IdleColumn
	// Launches are kernels and graphs, Copies copies and sets, that the cell launched on any device.
	Launches, Copies int64
	// CopyLine is the line that launched most of the copies, by time; Number 0 when none is known.
	CopyLine result.Line
}

// Owned says that the cell itself gave the device work. It may be asked of nil.
func (g *GPU) Owned() bool {
	return g != nil && g.Shares[ShareKernels]+g.Shares[ShareCopies]+g.Shares[ShareOverlap]+g.Shares[ShareHiddenKernels]+g.Shares[ShareHiddenCopies] > 0 && g.Launches+g.Copies > 0
}

// IdleColumn is one column of the picture of a device's idle time.
type IdleColumn struct {
	Kind result.CauseKind
	Line int32
	Ns   int64
}

// Devices attributes the devices' side of the timeline that a was made of: it
// fills a.GPU, what each line did to the devices, and the lines of the kernels in
// list, which is that of devices.Sum. Without any operation it does so from the
// calls alone, and a.GPU stays nil. plan is that of the timeline.
func (a *Attribution) Devices(list []result.Device, plan *coverage.Plan) {
	tl := a.from.tl
	a.MissedKernels = plan.Unsampled
	a.DeviceRecords = int64(tl.Calls.Len())
	a.GPUWatched, a.EarlierNs = tl.DeviceClockNs > 0, tl.EarlierNs
	for _, class := range tl.Calls.Class {
		if class == timeline.CallLaunch || class == timeline.CallCopy {
			a.LaunchCalls++
		}
	}
	for i := range tl.Devices {
		a.DeviceRecords += int64(tl.Devices[i].Ops.Len())
	}
	busiest := -1
	var most int64
	for i := range tl.Devices {
		if ns := busyNs(&tl.Devices[i].Ops, tl.Extent); tl.Devices[i].Ops.Len() > 0 && (busiest < 0 || ns > most) {
			busiest, most = i, ns
		}
	}
	if busiest < 0 {
		a.callsAlone()
		return
	}
	c := indexCalls(tl, a.from.frames)
	a.GPU = &GPU{Busiest: busiest, Index: tl.Devices[busiest].Index, WallNs: tl.Extent.Ns(), Coverage: plan.Record()}
	s := newIdleSweep(a.from, c, busiest, plan)
	s.run()
	s.estimate()
	s.divide()
	s.busy(a.GPU)
	s.results(a)
	a.calls, a.idle = c, s
	if a.GPU.Coverage != nil && a.GPU.WallNs > 0 {
		a.GPU.Doubt = float64(a.GPU.Idle.Range.High-a.GPU.Idle.Range.Low) / 2 / float64(a.GPU.WallNs)
	}
	lines := deviceLines(tl, c, plan)
	lines.total(a.GPU, plan)
	for _, l := range s.lines {
		of := lines.of(l.number)
		for _, ns := range l.kinds {
			of.idle += ns
		}
		if l.sample != nil {
			of.idleRange = l.sample.all
		}
	}
	a.mergeLines(lines)
	a.kernelLines(c, list)
	var copied int64
	for _, l := range lines.list {
		if l.number > 0 && l.copyNs > copied {
			a.GPU.CopyLine, copied = a.from.line(l.number), l.copyNs
		}
	}
}

// busyNs is the union of a device's operations within the extent.
func busyNs(ops *timeline.Ops, within timeline.Interval) int64 {
	var ns int64
	at := within.Start
	for i, start := range ops.Start {
		end := min(ops.End[i], within.End)
		if start = max(start, at); end > start {
			ns += end - start
		}
		at = max(at, end)
	}
	return ns
}

// deviceLine is what one line did to the devices.
type deviceLine struct {
	number int32
	// by is what was seen of it, by slot of the plan.
	by []lineCounts

	lineCounts
	idle                                               int64
	launchesRange, copiesRange, deviceRange, idleRange result.Range
}

type lineCounts struct{ launches, copies, deviceNs, copyNs int64 }

type deviceLineList struct {
	list  []deviceLine
	index map[int32]int
	last  int
	slots int
}

func (d *deviceLineList) of(number int32) *deviceLine {
	if len(d.list) > 0 && d.list[d.last].number == number {
		return &d.list[d.last]
	}
	i, ok := d.index[number]
	if !ok {
		if len(d.list) >= maxLines && number != 0 {
			return d.of(0)
		}
		i = len(d.list)
		d.index[number] = i
		d.list = append(d.list, deviceLine{number: number, by: make([]lineCounts, d.slots)})
	}
	d.last = i
	return &d.list[i]
}

func deviceLines(tl *timeline.Timeline, c *calls, plan *coverage.Plan) *deviceLineList {
	out := &deviceLineList{index: map[int32]int{}, slots: plan.Slots()}
	launched := make([]bool, tl.Calls.Len())
	for i := range tl.Devices {
		ops := &tl.Devices[i].Ops
		for row, call := range ops.Call {
			slot := plan.Devices[i].Slot(row)
			if call < 0 && !tl.NoCell || slot == coverage.Unknown {
				continue
			}
			line := int32(0)
			if call >= 0 {
				line = c.line[call]
			}
			l := &out.of(line).by[slot]
			l.deviceNs += ops.End[row] - ops.Start[row]
			if ops.Kind[row] == timeline.OpMemcpy {
				l.copyNs += ops.End[row] - ops.Start[row]
			}
			switch {
			case ops.Kind[row] != timeline.OpKernel && ops.Graph[row] == 0:
				l.copies++
			case call < 0:
				l.launches++
			case !launched[call]:
				launched[call] = true
				l.launches++
			}
		}
	}
	return out
}

// total makes of what was seen of each line what it did in all of the cell. The lines
// sum to the launches and the copies of g.
func (d *deviceLineList) total(g *GPU, plan *coverage.Plan) {
	seen := func(l *deviceLine, count func(*lineCounts) int64) coverage.Sums {
		out := make(coverage.Sums, d.slots)
		for slot := range l.by {
			out[slot] = count(&l.by[slot])
		}
		return out
	}
	shared := func(count func(*lineCounts) int64, to func(l *deviceLine, n int64, within result.Range)) int64 {
		parts := make([]float64, len(d.list))
		var sum float64
		for i := range d.list {
			parts[i] = plan.Work(seen(&d.list[i], count))
			sum += parts[i]
		}
		total := coverage.Round(sum)
		for i, n := range coverage.Apportion(total, parts) {
			to(&d.list[i], n, plan.Within(n, seen(&d.list[i], count)))
		}
		return total
	}
	g.Launches = shared(func(c *lineCounts) int64 { return c.launches },
		func(l *deviceLine, n int64, within result.Range) { l.launches, l.launchesRange = n, within })
	g.Copies = shared(func(c *lineCounts) int64 { return c.copies },
		func(l *deviceLine, n int64, within result.Range) { l.copies, l.copiesRange = n, within })
	for i := range d.list {
		l := &d.list[i]
		l.deviceNs, l.deviceRange = plan.Total(seen(l, func(c *lineCounts) int64 { return c.deviceNs }))
		l.copyNs, _ = plan.Total(seen(l, func(c *lineCounts) int64 { return c.copyNs }))
	}
}

// mergeLines puts what lines did to the devices beside their time.
func (a *Attribution) mergeLines(d *deviceLineList) {
	set := func(st *result.LineStat, l *deviceLine) {
		st.Launches, st.Copies, st.GPUNs, st.IdleCausedNs = l.launches, l.copies, l.deviceNs, l.idle
		st.LaunchesRange, st.CopiesRange, st.GPURange, st.IdleCausedRange = l.launchesRange, l.copiesRange, l.deviceRange, l.idleRange
	}
	have := make(map[int32]int, len(a.Host.Lines))
	for i := range a.Host.Lines {
		have[a.Host.Lines[i].Line.Number] = i
	}
	for i := range d.list {
		l := &d.list[i]
		if l.number == 0 {
			continue
		}
		if at, ok := have[l.number]; ok {
			set(&a.Host.Lines[at], l)
			continue
		}
		if len(a.Host.Lines) >= maxLines {
			continue
		}
		st := result.LineStat{Line: a.from.line(l.number), Exact: true, Causes: []result.Cause{}}
		set(&st, l)
		a.Host.Lines = append(a.Host.Lines, st)
	}
	slices.SortFunc(a.Host.Lines, func(x, y result.LineStat) int { return cmp.Compare(x.Line.Number, y.Line.Number) })
}

// kernelLines names the line that launched most of each listed kernel.
func (a *Attribution) kernelLines(c *calls, list []result.Device) {
	tl := a.from.tl
	slot := make([]uint8, tl.Names.Len())
	for i := range list {
		d := &list[i]
		at := slices.IndexFunc(tl.Devices, func(x timeline.Device) bool { return x.Index == d.Index })
		if at < 0 || len(d.TopKernels) == 0 {
			continue
		}
		clear(slot)
		wanted := map[string]uint8{}
		for k := range d.TopKernels[:min(len(d.TopKernels), 255)] {
			wanted[d.TopKernels[k].Name] = uint8(k + 1)
		}
		for id := range slot {
			slot[id] = wanted[tl.Names.String(timeline.NameID(id))]
		}
		ops := &tl.Devices[at].Ops
		byLine := make([]map[int32]int64, len(d.TopKernels))
		for k := range byLine {
			byLine[k] = map[int32]int64{}
		}
		for row, kind := range ops.Kind {
			if kind != timeline.OpKernel || ops.Call[row] < 0 {
				continue
			}
			if k := slot[ops.Name[row]]; k > 0 {
				byLine[k-1][c.line[ops.Call[row]]] += ops.End[row] - ops.Start[row]
			}
		}
		for k := range byLine {
			if len(byLine[k]) > 0 {
				if number := mode(byLine[k]); number > 0 {
					d.TopKernels[k].Line = a.from.line(number)
				}
			}
		}
	}
}
