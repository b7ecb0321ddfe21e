package attribution

import (
	"path"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// fnID is an index into stackIndex.fns; 0 is "no Python function known".
type fnID = int32

// fn is a Python function of a stack, or line of the cell where the frame is the cell's own.
type fn struct {
	name, file string
	line       int32
	// marked is a name that code gave itself, an operator's: no function's.
	marked bool
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
	// ours says that the stack ends inside InferScope: deepest is then what called it.
	ours []bool
	fns  []fn
}

// indexStacks indexes all stacks. A frame of the cell on the line directive, which holds no
// code, is one whose line is not known: the code of a statement that had ended was read late.
func indexStacks(tl *timeline.Timeline, directive int32) *stackIndex {
	n := tl.Stacks.Len()
	x := &stackIndex{cellLine: make([]int32, n), topLine: make([]int32, n), deepest: make([]fnID, n), importing: make([]bool, n),
		role: make([]role, n), ours: make([]bool, n), fns: make([]fn, 1)}
	type key struct{ name, file timeline.NameID }
	ids := map[key]fnID{}
	roles := map[key]role{}
	for id := timeline.StackID(1); int(id) < n; id++ {
		f, _ := tl.Stacks.Deepest(id)
		caller := tl.Stacks.Caller(id) // always a lower id
		x.cellLine[id], x.topLine[id], x.deepest[id] = x.cellLine[caller], x.topLine[caller], x.deepest[caller]
		x.importing[id], x.ours[id], x.role[id] = x.importing[caller], x.ours[caller], x.role[caller]
		if f.Native {
			continue
		}
		file := tl.Names.String(f.File)
		if own(file) {
			x.ours[id] = x.ours[id] || !callsUser(file)
			continue
		}
		if x.ours[id] = x.ours[id] && file != timeline.CellFile; x.ours[id] {
			continue
		}
		if strings.HasSuffix(file, "/interactiveshell.py") && tl.Names.String(f.Func) == "_modified_open" {
			continue // IPython's open(), around that of Python
		}
		x.importing[id] = x.importing[id] || strings.HasPrefix(file, "<frozen importlib")
		if file == timeline.CellFile && f.Line > 0 && f.Line != directive {
			x.cellLine[id] = f.Line
			if x.topLine[id] == 0 {
				x.topLine[id] = f.Line
			}
		}
		k := key{f.Func, f.File}
		if _, ok := ids[k]; !ok {
			ids[k] = fnID(len(x.fns))
			x.fns = append(x.fns, fn{name: tl.Names.String(f.Func), file: file, line: f.Line})
			roles[k] = frameRole(tl.Names.String(f.Func), file)
		}
		x.role[id] = x.role[caller].with(roles[k])
		x.deepest[id] = ids[k]
	}
	x.completeRoles(tl)
	return x
}

// bottoms are the functions that a thread's whole stack begins with, beside the cell's own code.
var bottoms = []string{"<module>", "_run_module_as_main", "_bootstrap", "Thread._bootstrap"}

// completeRoles gives the stacks that were not read to their bottom the role that the whole ones
// with the same deepest function have, where these agree: a wait is for what it is for however
// much of its stack was read.
func (x *stackIndex) completeRoles(tl *timeline.Timeline) {
	n := timeline.StackID(tl.Stacks.Len())
	const disagree = roleFramework + 1
	of := make([]role, len(x.fns))
	for id := timeline.StackID(1); id < n; id++ {
		if x.cellLine[id] == 0 {
			continue
		}
		switch fn := x.deepest[id]; of[fn] {
		case roleNone:
			of[fn] = x.role[id]
		case x.role[id]:
		default:
			of[fn] = disagree
		}
	}
	whole := make([]bool, n)
	for id := timeline.StackID(1); id < n; id++ {
		f, _ := tl.Stacks.Deepest(id)
		caller := tl.Stacks.Caller(id)
		whole[id] = x.cellLine[id] != 0 || whole[caller] || caller == 0 && slices.Contains(bottoms, tl.Names.String(f.Func))
		if !whole[id] && x.role[id] == roleNone && of[x.deepest[id]] != disagree {
			x.role[id] = of[x.deepest[id]]
		}
	}
}

// name is a function for a sentence: "load() of reader.py"; empty for what
// has no name in the cell, which the line says better.
func (x *stackIndex) name(id fnID) string {
	if id <= 0 || int(id) >= len(x.fns) {
		return ""
	}
	f := x.fns[id]
	if f.marked {
		return phrase.Code(f.name)
	}
	name := phrase.Function(f.name)
	switch {
	case strings.HasPrefix(f.file, "<frozen importlib"):
		return "Python's import system"
	case name == "":
		return "" // the top level, a comprehension, a lambda
	case f.file == timeline.CellFile || f.file == "":
		return name + "()"
	}
	return name + "() of " + phrase.ShortFile(f.file)
}

// handsOver says that a function of the standard library waits for what another thread does,
// a result or its end, rather than for a lock that the program takes itself.
func (x *stackIndex) handsOver(id fnID) bool {
	if id <= 0 || int(id) >= len(x.fns) {
		return false
	}
	switch dir, base := path.Split(x.fns[id].file); base {
	case "threading.py", "queue.py":
		return true
	case "_base.py", "thread.py", "process.py":
		return strings.HasSuffix(dir, "/concurrent/futures/")
	case "pool.py":
		return strings.HasSuffix(dir, "/multiprocessing/")
	}
	return false
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
