package nsys

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/sqlite"
)

// Bounds on the table of strings, which also holds files and logs that nobody names.
const (
	maxStrings     = 4_000_000
	maxStringBytes = 256 << 20
	// maxOpen bounds the ranges that were open when recording ended: a few a thread.
	maxOpen = 1 << 16
)

// reader reads one export.
type reader struct {
	ctx  context.Context
	file *sqlite.File
	a    *importer.Assembly

	text    map[int64]string
	names   map[int64]timeline.NameID // of strings, once interned
	offsets map[int64]int64           // of correlation ids, by process; see correlate
}

// untilCheck is how many rows pass between two looks at the context.
const untilCheck = 1 << 12

// rows reads the columns of a table by name; one that the table has not is Null. A
// table that is not there has no rows.
func (r *reader) rows(table string, columns []string, each func(v []sqlite.Value)) error {
	t := r.file.Table(table)
	if t == nil {
		return nil
	}
	wanted := make([]int, len(columns))
	for i, c := range columns {
		wanted[i] = t.Column(c)
	}
	n := 0
	return t.Rows(wanted, func(_ int64, v []sqlite.Value) error {
		if n++; n%untilCheck == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		each(v)
		return nil
	})
}

// strings loads the table of strings.
func (r *reader) strings() error {
	r.text, r.names = map[int64]string{}, map[int64]timeline.NameID{}
	total := 0
	return r.rows("StringIds", []string{"id", "value"}, func(v []sqlite.Value) {
		b := v[1].Bytes
		if b = b[:min(len(b), timeline.MaxName+1)]; len(r.text) < maxStrings && total+len(b) < maxStringBytes {
			total += len(b)
			r.text[v[0].Int] = string(b)
		}
	})
}

// name is a string by its id, without the version that CUPTI appends to functions.
func (r *reader) name(id sqlite.Value, function bool) timeline.NameID {
	if id.Kind != sqlite.Integer {
		return 0
	}
	name, ok := r.names[id.Int]
	if !ok {
		text := r.text[id.Int]
		if function {
			text = unversioned(text)
		}
		name = r.a.Name(text)
		r.names[id.Int] = name
	}
	return name
}

// unversioned is a function's name without its version: "cudaMemcpyAsync_v3020".
func unversioned(name string) string {
	at := strings.LastIndex(name, "_v")
	if at < 0 || !strings.HasPrefix(name, "cu") || len(name)-at < 6 || strings.Trim(name[at+2:], "0123456789") != "" {
		return name
	}
	return name[:at]
}

// process is the part of a global id of a process or of a thread that names the process.
func process(global int64) int64 { return global &^ 0xffffff }

// thread is the host thread of a global id: 24 bits of the process's id above 24 of the thread's.
func (r *reader) thread(global sqlite.Value) *importer.Thread {
	return r.a.Thread(global.Int>>24&0xffffff, global.Int&0xffffff)
}

// correlate makes the correlation ids of several processes differ: each process counts
// for itself, and a timeline has one table of calls.
func (r *reader) correlate() error {
	last := map[int64]int64{}
	for _, table := range callTables {
		err := r.rows(table, []string{"globalTid", "correlationId"}, func(v []sqlite.Value) {
			if p := process(v[0].Int); v[1].Int > last[p] || len(last) == 0 {
				last[p] = v[1].Int
			}
		})
		if err != nil {
			return err
		}
	}
	r.offsets = map[int64]int64{}
	if len(last) < 2 {
		return nil // one process: also where operations do not tell theirs
	}
	var processes []int64
	for p := range last {
		processes = append(processes, p)
	}
	slices.Sort(processes)
	offset := int64(0)
	for _, p := range processes {
		r.offsets[p] = offset
		if last[p] > math.MaxUint32 {
			last[p] = math.MaxUint32
		}
		offset += last[p] + 1
	}
	return nil
}

// correlation is the id of a call or of the call that launched an operation; 0 when there is none.
func (r *reader) correlation(global, id sqlite.Value) uint32 {
	if id.Kind != sqlite.Integer || id.Int <= 0 {
		return 0
	}
	n := id.Int + r.offsets[process(global.Int)]
	if n > math.MaxUint32 {
		return 0
	}
	return uint32(n)
}

// interval reads a start and an end; false, and counted, when they are none.
func (r *reader) interval(start, end sqlite.Value) (int64, int64, bool) {
	switch {
	case start.Kind != sqlite.Integer || end.Kind != sqlite.Integer:
		r.a.Lose("records had no time", 1)
		return 0, 0, false
	case end.Int < start.Int || end.Int-start.Int < 0:
		r.a.Lose("records ended before they began", 1)
		return 0, 0, false
	}
	return start.Int, end.Int, true
}

func (r *reader) calls() error {
	for _, table := range callTables {
		err := r.rows(table, []string{"start", "end", "globalTid", "correlationId", "nameId"}, func(v []sqlite.Value) {
			if start, end, ok := r.interval(v[0], v[1]); ok {
				r.a.Call(r.thread(v[2]), start, end, r.name(v[4], true), r.correlation(v[2], v[3]))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// operation are the columns that all tables of operations share.
var operation = []string{"start", "end", "deviceId", "streamId", "globalPid", "correlationId"}

// operations reads a table of operations; fill completes each from the values behind the shared columns.
func (r *reader) operations(table string, more []string, fill func(o *timeline.Op, v []sqlite.Value)) error {
	return r.rows(table, append(slices.Clone(operation), more...), func(v []sqlite.Value) {
		start, end, ok := r.interval(v[0], v[1])
		if !ok {
			return
		}
		o := timeline.Op{Start: start, End: end, Stream: uint32(v[3].Int), Correlation: r.correlation(v[4], v[5])}
		fill(&o, v[len(operation):])
		device := v[2].Int
		if v[2].Kind != sqlite.Integer {
			device = -1
		}
		r.a.Op(device, o)
	})
}

func (r *reader) kernels() error {
	return r.operations(kernelTable, []string{"demangledName", "shortName", "graphId", "graphNodeId"}, func(o *timeline.Op, v []sqlite.Value) {
		o.Kind = timeline.OpKernel
		if o.Name = r.name(v[0], false); o.Name == 0 {
			o.Name = r.name(v[1], false)
		}
		o.Graph = graph(v[2], v[3])
	})
}

// graph is the id of the graph that an operation is a node of; newer versions name the
// node alone, whose upper half is the graph.
func graph(id, node sqlite.Value) uint32 {
	if id.Int > 0 {
		return uint32(id.Int)
	}
	return uint32(node.Int >> 32)
}

// graphs are the launches of graphs whose nodes were not traced: each is one operation.
func (r *reader) graphs() error {
	name := r.a.Name("CUDA graph")
	return r.operations(graphTable, []string{"graphId"}, func(o *timeline.Op, v []sqlite.Value) {
		o.Kind, o.Name, o.Graph = timeline.OpKernel, name, uint32(v[0].Int)
	})
}

// memory is a side of a copy; the export counts them from 0, CUPTI and the timeline from 1.
func memory(v sqlite.Value) timeline.MemoryKind {
	if v.Kind != sqlite.Integer || v.Int < 0 || v.Int >= int64(timeline.MemoryManagedStatic) {
		return timeline.MemoryUnknown
	}
	return timeline.MemoryKind(v.Int + 1)
}

// direction is the direction of a copy, numbered as CUPTI does; behind its numbers come
// those of copies that the driver makes for unified memory.
func direction(v sqlite.Value) timeline.CopyKind {
	switch n := v.Int; {
	case n == 11:
		return timeline.CopyHtoD
	case n == 12:
		return timeline.CopyDtoH
	case n == 13:
		return timeline.CopyDtoD
	case n >= 0 && n <= int64(timeline.CopyPtoP):
		return timeline.CopyKind(n)
	}
	return timeline.CopyUnknown
}

func (r *reader) memcpys() error {
	return r.operations(memcpyTable, []string{"bytes", "copyKind", "srcKind", "dstKind", "graphNodeId"}, func(o *timeline.Op, v []sqlite.Value) {
		o.Kind, o.Bytes, o.Copy = timeline.OpMemcpy, max(v[0].Int, 0), direction(v[1])
		o.Source, o.Target = memory(v[2]), memory(v[3])
		o.Graph = graph(sqlite.Value{}, v[4])
	})
}

func (r *reader) memsets() error {
	return r.operations(memsetTable, []string{"bytes", "graphNodeId"}, func(o *timeline.Op, v []sqlite.Value) {
		o.Kind, o.Bytes, o.Graph = timeline.OpMemset, max(v[0].Int, 0), graph(sqlite.Value{}, v[1])
	})
}

// The types of NVTX events that are stretches of a thread, which nest, and those that
// begin and end anywhere; the second of each pair is that of newer versions.
const (
	pushPopRange     = 59
	pushPopRangeNew  = 70
	startEndRange    = 60
	startEndRangeNew = 71
)

// nvtx reads the ranges that programs and frameworks mark by NVTX.
func (r *reader) nvtx() error {
	columns := []string{"start", "end", "eventType", "text", "textId", "globalTid"}
	var open []func(end int64)
	err := r.rows("NVTX_EVENTS", columns, func(v []sqlite.Value) {
		nested := v[2].Int == pushPopRange || v[2].Int == pushPopRangeNew
		if !nested && v[2].Int != startEndRange && v[2].Int != startEndRangeNew {
			return
		}
		text := v[3].String()
		if text == "" {
			text = r.text[v[4].Int]
		}
		if text == "" {
			return
		}
		name, operator := operatorName(text)
		add, thread, id := r.a.Marked, r.thread(v[5]), r.a.Name(name)
		if operator && nested {
			add = r.a.Operator
		}
		if start := v[0]; v[1].Kind == sqlite.Null && start.Kind == sqlite.Integer && len(open) < maxOpen { // open when recording ended
			r.a.Covers(start.Int, start.Int)
			open = append(open, func(end int64) { add(thread, start.Int, end, id) })
			return
		}
		if start, end, ok := r.interval(v[0], v[1]); ok {
			add(thread, start, end, id)
		}
	})
	for _, close := range open {
		close(r.a.Wall().End)
	}
	return err
}

// operatorName is the name of an operator that PyTorch marks, without the number of the
// call and its shapes: "aten::view, op_id = 314290", "aten::add, seq = 12, sizes = [[1]]".
func operatorName(text string) (name string, operator bool) {
	for _, mark := range []string{", op_id = ", ", seq = ", ", sizes = "} {
		if before, _, ok := strings.Cut(text, mark); ok {
			text, operator = before, true
		}
	}
	return text, operator
}

func (r *reader) overheads() error {
	return r.rows("PROFILER_OVERHEAD", []string{"start", "end"}, func(v []sqlite.Value) {
		if start, end, ok := r.interval(v[0], v[1]); ok {
			r.a.Overhead(start, end)
		}
	})
}

func (r *reader) threadNames() error {
	return r.rows("ThreadNames", []string{"nameId", "globalTid"}, func(v []sqlite.Value) {
		r.a.NameThread(v[1].Int>>24&0xffffff, v[1].Int&0xffffff, r.text[v[0].Int])
	})
}

// gpus describes the devices. Where the export tells which GPU CUDA calls by which
// number, that counts; else the GPU's own number does.
func (r *reader) gpus() error {
	type gpu struct {
		name, bus string
		memory    int64
	}
	all := map[int64]gpu{}
	err := r.rows("TARGET_INFO_GPU", []string{"id", "name", "busLocation", "totalMemory"}, func(v []sqlite.Value) {
		if len(all) < importer.MaxDevices {
			all[v[0].Int] = gpu{v[1].String(), v[2].String(), max(v[3].Int, 0)}
		}
	})
	if err != nil {
		return err
	}
	told := false
	err = r.rows("TARGET_INFO_CUDA_DEVICE", []string{"gpuId", "cudaId"}, func(v []sqlite.Value) {
		if g, ok := all[v[0].Int]; ok && v[1].Kind == sqlite.Integer {
			told = true
			r.a.Describe(v[1].Int, g.name, g.bus, g.memory)
		}
	})
	if err != nil || told {
		return err
	}
	for id, g := range all {
		r.a.Describe(id, g.name, g.bus, g.memory)
	}
	return nil
}
