package attribution

import (
	"path"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// ownModules are the files of InferScope's Python package. A file is taken for one of
// them when it has such a name and lies in a folder called inferscope: that a user's
// own folder may have that name is why the folder alone does not decide.
var ownModules = map[string]bool{
	"__init__.py": true, "__main__.py": true, "_version.py": true, "_wire.py": true, "api.py": true, "calibrate.py": true, "checks.py": true,
	"calibrate_frames.py": true, "calibrate_objects.py": true, "calibration_keys.py": true, "monitoring.py": true,
	"cell.py": true, "client.py": true, "collection.py": true, "columns.py": true, "comparison.py": true, "display.py": true, "errors.py": true,
	"_settings.py": true, "configuration.py": true, "functions.py": true, "gc_events.py": true, "gpu.py": true, "gpu_capture.py": true, "gpu_devices.py": true,
	"line_state.py": true, "lines.py": true, "live.py": true, "binary.py": true, "loops.py": true, "progress.py": true, "request.py": true, "strip.py": true, "magic.py": true, "program.py": true, "run.py": true, "run_forks.py": true, "run_options.py": true, "run_report.py": true,
	"options.py": true, "recorder.py": true, "result.py": true, "sampling.py": true, "sidecar.py": true,
	"statements.py": true, "threads.py": true, "trace.py": true, "transform.py": true,
}

// OwnName begins how a thread of InferScope's own is called where the program had to wait for it.
const OwnName = "InferScope"

// ownName is what a thread of InferScope's own is to a reader, by the name that it has for Python and the kernel.
func ownName(thread string) string {
	switch what := strings.TrimPrefix(thread, timeline.OwnThreadPrefix+"-"); what {
	case "recorder", "sampler":
		return OwnName + "'s " + what
	case "side":
		return OwnName + "'s sidecar"
	}
	return OwnName + "'s own thread"
}

// ownWork is what such a thread did while it was waited for: no change to the program ends it.
const ownWork = "recording this cell"

// OwnHolder says that the thread that a cause names is InferScope's own: time that profiling took, and nothing
// for the user to repair.
func OwnHolder(c result.Cause) bool {
	return strings.HasPrefix(c.Thread, OwnName+"'s ") && c.Detail == ownWork
}

// own says that a file is part of InferScope itself, which runs inside of the cell:
// what it costs is reported as overhead, and no function of the user's is called by its name.
func own(file string) bool {
	dir, base := path.Split(file)
	return ownModules[base] && strings.HasSuffix(dir, "/inferscope/")
}

// callsUser says that a file of ours calls the user's functions: scope() as a decorator.
func callsUser(file string) bool { return path.Base(file) == "api.py" }

// rootStacks is how many stacks of a thread are looked at to tell whose it is.
const rootStacks = 8

// OwnThreads tells, for each row of tl.Threads, whether the thread is InferScope's own: it
// is no part of the cell. Such a thread has a name that begins with "inferscope", as the
// sidecar's process has and the threads of the recorder, or it began in a file of the
// package. The main thread never is.
func OwnThreads(tl *timeline.Timeline) []bool {
	out := make([]bool, len(tl.Threads))
	for id := 1; id < len(tl.Threads); id++ {
		t := &tl.Threads[id]
		out[id] = !t.Main && (strings.HasPrefix(t.Name, timeline.OwnThreadPrefix) || beganInOwn(tl, t.Sched.Stack) || beganInOwn(tl, t.Samples.Stack))
	}
	return out
}

// beganInOwn says whether below the standard library's bootstrap the outermost frame is ours.
func beganInOwn(tl *timeline.Timeline, stacks []timeline.StackID) bool {
	looked := 0
	var frames []timeline.Frame
	for _, id := range stacks {
		if id == 0 {
			continue
		}
		frames = tl.Stacks.Frames(id, frames[:0])
		for i := len(frames) - 1; i >= 0; i-- {
			file := tl.Names.String(frames[i].File)
			if frames[i].Native || path.Base(file) == "threading.py" {
				continue
			}
			if own(file) {
				return true
			}
			break
		}
		if looked++; looked == rootStacks {
			break
		}
	}
	return false
}

// DirectiveLine is the 1-based line that asks for the profile, 0 when there is none.
// It stands above all code, may be below other cell magics, and holds no code of the cell.
func DirectiveLine(source []string) int32 {
	for i, line := range source {
		text := strings.TrimSpace(line)
		rest, ok := strings.CutPrefix(text, "%%inferscope")
		if !ok {
			rest, ok = strings.CutPrefix(text, "%inferscope")
		}
		switch {
		case ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t'):
			return int32(i + 1)
		case text != "" && text[0] != '#' && !strings.HasPrefix(text, "%%"):
			return 0
		}
	}
	return 0
}
