package collect

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// CallClass tells what a function of CUDA's runtime ("cudaMalloc") or driver
// ("cuMemAlloc_v2") is for. The prefixes are those of cupti/calls.c, which decides
// what CUPTI records at all.
func CallClass(function string) timeline.CallClass {
	name := strings.TrimPrefix(function, "cuda")
	if name == function {
		name = strings.TrimPrefix(function, "cu")
	}
	has := func(prefixes ...string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("Launch", "GraphLaunch"):
		return timeline.CallLaunch
	case strings.Contains(name, "Synchronize"):
		return timeline.CallSync
	case has("Memcpy", "Memset", "MemPrefetch"):
		return timeline.CallCopy
	case has("Malloc", "Free", "MemAlloc", "MemFree", "HostAlloc", "HostRegister", "HostUnregister", "MemHost", "MemMap",
		"MemUnmap", "MemCreate", "MemRelease", "MemPool"):
		return timeline.CallAlloc
	case has("Module", "Library", "Link", "GraphInstantiate", "GraphExecUpdate", "GraphUpload", "StreamBeginCapture", "StreamEndCapture"):
		return timeline.CallModule
	case has("EventRecord", "StreamWaitEvent"):
		return timeline.CallEvent
	case has("Init", "CtxCreate", "DevicePrimaryCtxRetain", "DeviceReset"):
		return timeline.CallInit
	}
	return timeline.CallOther
}
