package phrase

import (
	"maps"
	"slices"

	"github.com/inferscope/inferscope/analysis/result"
)

var meanings = map[result.CauseKind]string{
	result.CauseProfiler:         "recording itself held the program up",
	result.CauseWarmUp:           "CUDA, or a library of it, was being initialised",
	result.CauseCompile:          "code was being compiled, linked or loaded",
	result.CauseLaunchLatency:    "the launch of the next operation had returned, at most 20 µs before it began",
	result.CauseStreamDependency: "the next operation had been launched, and its stream had been told to wait for an event of another",
	result.CauseDeviceWait:       "the next operation had been launched, and nothing that was recorded tells why it did not begin: the host is not to blame",
	result.CauseSyncRefill:       "the host was in a call that waits for the GPU, or had left it less than 1 ms before and launched nothing yet",
	result.CausePageableCopy:     "the host was in a copy from or to pageable memory",
	result.CauseAllocator:        "the host was allocating, freeing or pinning memory for the GPU",
	result.CauseDataLoading:      "the host was in a data loader, waiting for a worker or making the next batch itself",
	result.CauseFramework:        "the host was on a CPU inside a framework's operator or a launch call",
	result.CauseGC:               "Python's cyclic garbage collector ran",
	result.CauseGIL:              "the thread wanted to run Python while another thread had the interpreter's lock",
	result.CauseLock:             "the thread waited in a lock, a queue, a future or a join",
	result.CauseHostIO:           "the thread read, wrote or synced files or pipes",
	result.CauseNetworkIO:        "the thread was in a socket call",
	result.CauseSleep:            "the thread slept on purpose",
	result.CausePageFault:        "the kernel brought in memory that the thread touched",
	result.CausePreempted:        "the thread was ready to run, and other work had the CPUs",
	result.CauseChild:            "the thread waited for a child process to end",
	result.CausePoll:             "the thread waited in epoll, poll or select",
	result.CauseGPUDriver:        "the thread was blocked in the GPU's driver, or in a call that waits for the GPU",
	result.CauseSyscall:          "the thread was in another system call",
	result.CausePython:           "the thread was on a CPU in the Python interpreter",
	result.CauseNative:           "the thread was on a CPU in compiled code",
	result.CauseUnknown:          "nothing that was recorded tells what held the work up",
	result.CauseCopyToDevice:     "copies from the host to the device ran and no kernel did",
	result.CauseCopyFromDevice:   "copies from the device to the host ran and no kernel did",
	result.CauseOtherCopy:        "copies within or between devices ran and no kernel did",
}

// Kinds are all causes by name.
func Kinds() []result.CauseKind { return slices.Sorted(maps.Keys(meanings)) }

// Meaning is the test that time of a cause has passed, as half a sentence; empty for a cause that there is not.
func Meaning(k result.CauseKind) string { return meanings[k] }
