package attribution

import (
	"path"
	"strings"
)

// role is what a Python frame, or a native library, is for, as far as the idle
// time of a device asks. Smaller roles win over larger ones on the same stack,
// but for roleNone.
type role uint8

const (
	roleNone role = iota
	// roleProfiler: the tool that records the trace. Only ranges have it.
	roleProfiler
	// roleWarmUp: CUDA is being initialised.
	roleWarmUp
	// roleCompile: code is being compiled.
	roleCompile
	// roleLoader: the next batch of a data loader.
	roleLoader
	// roleFramework: inside a framework.
	roleFramework
)

// with is the role of a stack whose caller has role r and whose deepest frame has role of.
func (r role) with(of role) role {
	if r == roleNone || of != roleNone && of < r {
		return of
	}
	return r
}

// compileFolders hold compilers; what runs a compiled function lies in them too
// and is listed in runtimeFiles.
var compileFolders = []string{"/torch/_inductor/", "/torch/_dynamo/", "/torch/_functorch/_aot_autograd/", "/triton/compiler/", "/numba/core/"}

var compileFiles = []string{"/jax/_src/compiler.py", "/jax/_src/interpreters/mlir.py", "/jax/_src/interpreters/partial_eval.py",
	"/cupy/cuda/compiler.py", "/torch/utils/cpp_extension.py"}

var runtimeFiles = []string{"/torch/_dynamo/eval_frame.py", "/torch/_dynamo/external_utils.py", "/torch/_dynamo/decorators.py",
	"/torch/_inductor/output_code.py", "/torch/_inductor/cudagraph_trees.py", "/torch/_inductor/utils.py",
	"/torch/_inductor/runtime/", "/torch/_functorch/_aot_autograd/runtime_wrappers.py", "/torch/_functorch/_aot_autograd/utils.py"}

var loaderFolders = []string{"/torch/utils/data/", "/webdataset/", "/nvidia/dali/", "/grain/_src/", "/tensorflow/python/data/"}

var frameworkFolders = []string{"/torch/", "/jax/", "/jaxlib/", "/cupy/", "/tensorflow/", "/triton/", "/keras/", "/flax/"}

// profilerFiles are PyTorch's own profiler, which records its own work too.
var profilerFiles = []string{"/torch/profiler/", "/torch/autograd/profiler.py"}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// frameRole is the role of one Python frame.
func frameRole(function, file string) role {
	switch {
	case !strings.HasPrefix(file, "/"):
		return roleNone
	case function == "_lazy_init" && strings.HasSuffix(file, "/torch/cuda/__init__.py"):
		return roleWarmUp
	case (containsAny(file, compileFolders) || containsAny(file, compileFiles)) && !containsAny(file, runtimeFiles):
		return roleCompile
	case containsAny(file, loaderFolders):
		return roleLoader
	case containsAny(file, frameworkFolders):
		return roleFramework
	}
	return roleNone
}

var (
	compileLibraries   = []string{"libnvrtc", "libnvJitLink", "libtriton", "libLLVM", "libllvmlite", "libnvptxcompiler"}
	frameworkLibraries = []string{"libtorch", "libc10", "libcuda", "libcublas", "libcudnn", "libcufft", "libcusparse", "libcusolver",
		"libcurand", "libnccl", "libcupti", "libjax", "libxla", "xla_extension", "libtensorflow"}
)

// libraryRole is the role of the native library that a sample fell into.
func libraryRole(name string) role {
	base := path.Base("/" + name)
	for _, p := range compileLibraries {
		if strings.HasPrefix(base, p) {
			return roleCompile
		}
	}
	for _, p := range frameworkLibraries {
		if strings.HasPrefix(base, p) {
			return roleFramework
		}
	}
	if containsAny(name, frameworkFolders) {
		return roleFramework
	}
	return roleNone
}
