package config

// otherVariables begin like those of settings and are none: the program that the
// extension and the Python entry run, and what the entry tells it of itself.
var otherVariables = []string{"INFERSCOPE_SIDECAR", "INFERSCOPE_PYTHON", "INFERSCOPE_PACKAGE"}

// historyPath is the setting whose default depends on the environment.
const historyPath = "history.path"

// When a change takes effect.
const (
	// NextCell is for what acts around a cell.
	NextCell = "The next profiled cell."
	// NextUse is for what commands look at too.
	NextUse = "The next profiled cell, and the next command."
)

//go:generate go run ./gen

// All is the registry, in the order of the documentation: a new setting is one field
// of Settings and one entry here.
var All = []Setting{
	{
		Name: "hz", Default: "199", Min: 1, Max: 10_000, Applies: NextCell, Option: "hz",
		Help:  "samples a second of each running thread",
		Doc:   "Samples a second of each running thread. The default is a prime number, so that it does not beat with timers and loops of the cell.",
		field: func(s *Settings) any { return &s.HZ },
	},
	{
		Name: "ebpf", Default: "true", Applies: NextCell, Option: "ebpf",
		Help:  "use the kernel-side collector",
		Doc:   "Use the kernel-side collector where it is available. Without it the next rung of the ladder is used.",
		field: func(s *Settings) any { return &s.EBPF },
	},
	{
		Name: "gpu", Default: "true", Applies: NextCell, Option: "gpu",
		Help:  "use the GPU collectors",
		Doc:   "Use the GPU collectors: CUPTI for kernels, copies and CUDA calls, NVML for the sensors.",
		field: func(s *Settings) any { return &s.GPU },
	},
	{
		Name: "functions", Default: "false", Applies: NextCell, Option: "functions",
		Help:  "record calls of your own functions exactly",
		Doc:   "Record the calls of the user's own functions exactly. It costs time in cells that call small functions very often; such functions are switched off and named.",
		field: func(s *Settings) any { return &s.Functions },
	},
	{
		Name: "quiet", Default: "false", Applies: NextCell, Option: "quiet", Short: "q",
		Help:  "show no report; inferscope.last() has it",
		Doc:   "Show no report below the cell; `inferscope.last()` has it.",
		field: func(s *Settings) any { return &s.Quiet },
	},
	{
		Name: "live", Default: "true", Applies: NextCell, Option: "live",
		Help:  "show how a long cell goes on while it runs",
		Doc:   "Show how a cell goes on while it runs: a line that appears after 1.5 s and is gone at the end. Where nobody watches, as in a notebook that is executed by a program, there is none unless `--live` is typed. For `inferscope run`, the line at the bottom of the terminal.",
		field: func(s *Settings) any { return &s.Live },
	},
	{
		Name: "changes", Default: "true", Applies: NextCell, Option: "changes",
		Help:  "say what changed since the cell's run before",
		Doc:   "Say below the verdict what changed since the run before, where the same cell was profiled before in this kernel and the change is beyond the noise.",
		field: func(s *Settings) any { return &s.Changes },
	},
	{
		Name: "multi_gpu", Default: "reject", Choices: []string{"reject", "allow"}, Applies: NextCell, Option: "multi-gpu",
		Help:  "what to do with a cell that uses several GPUs",
		Doc:   "What to do with a cell whose work touches more than one GPU: refuse it with the names of the devices, or give each device lanes and totals of its own. A machine that merely has several is no matter.",
		field: func(s *Settings) any { return &s.MultiGPU },
	},
	{
		Name: "gpu_budget", Default: "0.05", Min: 0.001, Max: 1, Applies: NextCell, Option: "gpu-budget",
		Help:  "how much longer the GPU's capture may make the cell, as a share",
		Doc:   "How much longer the capture of GPU work may make the cell, as a share of its time: 0.05 is 5 %. Beyond that only a part of the cell is captured, and the report says which.",
		field: func(s *Settings) any { return &s.GPUBudget },
	},
	{
		Name: "full", Default: "false", Applies: NextCell, Option: "full",
		Help:  "capture all GPU work, whatever it costs",
		Doc:   "Capture all GPU work of the cell, whatever it costs: `gpu_budget` then has no effect.",
		field: func(s *Settings) any { return &s.Full },
	},
	{
		Name: "cupti_finalize", Default: "true", Applies: NextCell,
		Doc:   "Take CUPTI out of the process again after each cell, where that is safe (CUDA 12.6 and later). Otherwise launches stay a little slower in the rest of the process.",
		field: func(s *Settings) any { return &s.CUPTIFinalize },
	},
	{
		Name: "history.runs", Default: "10", Min: 0, Max: 10_000, Applies: NextUse,
		Doc:   "How many of the last profiled cells are kept on disk, the oldest being removed first; 0 keeps none.",
		field: func(s *Settings) any { return &s.HistoryRuns },
	},
	{
		Name: "history.bytes", Default: "1 GiB", Min: 0, Max: 1 << 50, Applies: NextUse,
		Doc:   "How much disk the kept cells may take together. The oldest are removed first; 0 keeps none.",
		field: func(s *Settings) any { return &s.HistoryBytes },
	},
	{
		Name: historyPath, Derived: "`$XDG_STATE_HOME/inferscope/runs`, or `~/.local/state/inferscope/runs`", Applies: NextUse,
		Doc:   "The folder of the kept cells. A relative path begins at the file that has it, or at the working directory; `~` is the home.",
		field: func(s *Settings) any { return &s.HistoryPath },
	},
	{
		Name: "idle_exit", Default: "30m", Min: 0, Max: 30 * 24 * 3600, Applies: "The sidecar, when it starts and at each profiled cell.",
		Doc:   "How long the sidecar waits for a cell before it exits; the next cell starts another. 0 is for ever, which is until the kernel exits.",
		field: func(s *Settings) any { return &s.IdleExit },
	},
}
