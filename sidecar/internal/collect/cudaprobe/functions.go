package cudaprobe

import (
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

// wantedPrefixes are what the names of probed functions begin with: those that
// cupti/calls.c records of the driver, but for events, which say nothing without the
// device's side. A test compares the two.
var wantedPrefixes = []string{
	"cuLaunch", "cuGraphLaunch", "cuMemcpy", "cuMemset", "cuMemPrefetch",
	"cuCtxSynchronize", "cuStreamSynchronize", "cuEventSynchronize",
	"cuMemAlloc", "cuMemFree", "cuMemHostAlloc", "cuMemHostRegister", "cuMemMap", "cuMemUnmap", "cuMemCreate", "cuMemRelease",
	"cuModuleLoad", "cuLibraryLoad", "cuLink", "cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphExecUpdate", "cuGraphUpload",
	"cuInit", "cuCtxCreate", "cuDevicePrimaryCtxRetain",
}

// wanted says whether calls of an exported function are recorded.
func wanted(symbol string) bool {
	for _, prefix := range wantedPrefixes {
		if strings.HasPrefix(symbol, prefix) {
			return true
		}
	}
	return false
}

// baseName is a function's name without what tells its variants apart: the version of
// its arguments (_v2) and its default stream (_ptsz, _ptds).
func baseName(symbol string) string {
	name := strings.TrimSuffix(strings.TrimSuffix(symbol, "_ptsz"), "_ptds")
	if at := strings.LastIndex(name, "_v"); at > 0 && at+2 < len(name) && strings.Trim(name[at+2:], "0123456789") == "" {
		name = name[:at]
	}
	return name
}

// sizing says which arguments, from 1 on, give a call's size in bytes.
type sizing struct {
	// size is the argument that counts elements, 2 to 5, and factor another to multiply
	// it with, 4 or 5; 0 for none. element is the bytes of an element, 1 when it is 0.
	size, factor, element uint64
}

// sizings are those of the driver's functions by base name. Copies that are described
// by a structure (cuMemcpy2D, cuMemcpy3D) have none.
var sizings = map[string]sizing{
	"cuMemcpy": {size: 3}, "cuMemcpyAsync": {size: 3},
	"cuMemcpyHtoD": {size: 3}, "cuMemcpyHtoDAsync": {size: 3}, "cuMemcpyDtoH": {size: 3}, "cuMemcpyDtoHAsync": {size: 3},
	"cuMemcpyDtoD": {size: 3}, "cuMemcpyDtoDAsync": {size: 3},
	"cuMemcpyDtoA": {size: 4}, "cuMemcpyAtoD": {size: 4},
	"cuMemcpyHtoA": {size: 4}, "cuMemcpyHtoAAsync": {size: 4}, "cuMemcpyAtoH": {size: 4}, "cuMemcpyAtoHAsync": {size: 4},
	"cuMemcpyAtoA": {size: 5}, "cuMemcpyPeer": {size: 5}, "cuMemcpyPeerAsync": {size: 5},

	"cuMemsetD8": {size: 3}, "cuMemsetD8Async": {size: 3}, "cuMemsetD2D8": {size: 4, factor: 5}, "cuMemsetD2D8Async": {size: 4, factor: 5},
	"cuMemsetD16": {size: 3, element: 2}, "cuMemsetD16Async": {size: 3, element: 2},
	"cuMemsetD2D16": {size: 4, factor: 5, element: 2}, "cuMemsetD2D16Async": {size: 4, factor: 5, element: 2},
	"cuMemsetD32": {size: 3, element: 4}, "cuMemsetD32Async": {size: 3, element: 4},
	"cuMemsetD2D32": {size: 4, factor: 5, element: 4}, "cuMemsetD2D32Async": {size: 4, factor: 5, element: 4},

	"cuMemAlloc": {size: 2}, "cuMemAllocAsync": {size: 2}, "cuMemAllocFromPoolAsync": {size: 2}, "cuMemAllocManaged": {size: 2},
	"cuMemAllocPitch": {size: 3, factor: 4}, "cuMemAllocHost": {size: 2}, "cuMemHostAlloc": {size: 2}, "cuMemHostRegister": {size: 2},
	"cuMemCreate": {size: 2}, "cuMemMap": {size: 2}, "cuMemUnmap": {size: 2}, "cuMemPrefetchAsync": {size: 2},
}

// function is a probed function of the driver's library.
type function struct {
	// name is the base name, class what it is for.
	name  string
	class timeline.CallClass
	// offset is where its probe goes: in bytes from the start of the library's file.
	offset uint64
	sizing sizing
}

// newFunction describes an exported function; old says that a newer version of it is
// exported too, which the sizes of sizings are those of.
func newFunction(symbol string, old bool, offset uint64) function {
	f := function{name: baseName(symbol), class: collect.CallClass(symbol), offset: offset}
	if !old {
		f.sizing = sizings[f.name]
	}
	return f
}

// cookie is what the programs are told of the function with this index.
func (f *function) cookie(index int) uint64 {
	s := f.sizing
	return uint64(index) | s.size<<uint(callsCookieLayoutCOOKIE_SIZE_SHIFT) | s.factor<<uint(callsCookieLayoutCOOKIE_FACTOR_SHIFT) |
		max(s.element, 1)<<uint(callsCookieLayoutCOOKIE_ELEMENT_SHIFT)
}
