package attribution

import (
	"path"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// fnID is an index into stackIndex.fns; 0 is "no Python function known".
type fnID = int32

// fn is a Python function of a stack, or line of the cell where the frame is the cell's own.
type fn struct {
	name, file string
	line       int32
}

// stackIndex answers, for each stack, what the sweeps ask of it, in constant time.
type stackIndex struct {
	// cellLine is the line of the deepest frame that is the cell's own code, 0 for none;
	// topLine that of the outermost one.
	cellLine, topLine []int32
	// deepest is the deepest Python function.
	deepest []fnID
	// importing says that a frame of the stack belongs to Python's import machinery.
	importing []bool
	// role is the strongest role of the stack's frames.
	role []role
	fns  []fn
}

func indexStacks(tl *timeline.Timeline) *stackIndex {
	n := tl.Stacks.Len()
	x := &stackIndex{cellLine: make([]int32, n), topLine: make([]int32, n), deepest: make([]fnID, n), importing: make([]bool, n),
		role: make([]role, n), fns: make([]fn, 1)}
	type key struct{ name, file timeline.NameID }
	ids := map[key]fnID{}
	roles := map[key]role{}
	for id := timeline.StackID(1); int(id) < n; id++ {
		f, _ := tl.Stacks.Deepest(id)
		caller := tl.Stacks.Caller(id) // always a lower id
		x.cellLine[id], x.topLine[id], x.deepest[id] = x.cellLine[caller], x.topLine[caller], x.deepest[caller]
		x.role[id] = x.role[caller]
		if f.Native || own(tl.Names.String(f.File)) {
			continue
		}
		file := tl.Names.String(f.File)
		x.importing[id] = x.importing[caller] || strings.HasPrefix(file, "<frozen importlib")
		if file == timeline.CellFile && f.Line > 0 {
			x.cellLine[id] = f.Line
			if x.topLine[id] == 0 {
				x.topLine[id] = f.Line
			}
		}
		k := key{f.Func, f.File}
		if _, ok := ids[k]; !ok {
			ids[k] = fnID(len(x.fns))
			x.fns = append(x.fns, fn{tl.Names.String(f.Func), file, f.Line})
			roles[k] = frameRole(tl.Names.String(f.Func), file)
		}
		x.role[id] = x.role[caller].with(roles[k])
		x.deepest[id] = ids[k]
	}
	return x
}

// own says that a file is part of InferScope's own recorder, which runs inside of
// the cell: what it costs is reported as overhead, and a function of the user's is
// not called by its name.
func own(file string) bool {
	dir, base := path.Split(file)
	if !strings.HasSuffix(dir, "/inferscope/") {
		return false
	}
	switch base {
	case "recorder.py", "lines.py", "statements.py", "columns.py", "gc_events.py", "functions.py", "sampling.py", "cell.py":
		return true
	}
	return false
}

// name is a function for a sentence: "load() of reader.py"; empty for what
// has no name in the cell, which the line says better.
func (x *stackIndex) name(id fnID) string {
	if id <= 0 || int(id) >= len(x.fns) {
		return ""
	}
	f := x.fns[id]
	switch {
	case f.name == "" || f.name[0] == '<' && f.file == timeline.CellFile:
		return "" // the top level, a comprehension, a lambda
	case f.file == timeline.CellFile:
		return f.name + "()"
	case f.file == "":
		return f.name + "()"
	}
	return f.name + "() of " + path.Base(f.file)
}

// waitOf is the cause of a wait as the deepest Python function tells it, for
// sources that see no scheduler: only functions of the standard library whose one
// purpose is to wait.
func (x *stackIndex) waitOf(id fnID) kind {
	if id <= 0 {
		return kUnknown
	}
	f := x.fns[id]
	base := path.Base(f.file)
	switch base {
	case "threading.py":
		switch f.name {
		case "wait", "acquire", "join", "_wait_for_tstate_lock", "wait_for", "_join_os_thread":
			return kLock
		}
	case "queue.py":
		return kLock
	case "selectors.py":
		return kPoll
	case "socket.py", "ssl.py":
		return kNetwork
	case "subprocess.py":
		switch f.name {
		case "_try_wait", "_wait", "wait":
			return kChild
		}
	case "popen_fork.py":
		return kChild
	}
	return kUnknown
}
