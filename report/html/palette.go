package html

import "github.com/inferscope/inferscope/analysis/result"

// The palette follows Okabe and Ito: distinct to the colour-blind, and of middle
// lightness, so that shapes stand out on white and on black. Every use has words beside it.
var causeColor = map[result.CauseKind]markup{
	result.CausePython:    "#3b7dd8",
	result.CauseNative:    "#23a3c4",
	result.CauseSyscall:   "#6f86a3",
	result.CauseGC:        "#a0693a",
	result.CauseGIL:       "#d9541e",
	result.CauseLock:      "#c2559a",
	result.CauseHostIO:    "#2a9d6f",
	result.CauseNetworkIO: "#6f9f2f",
	result.CausePoll:      "#8f8f3c",
	result.CauseSleep:     "#8d7bc9",
	result.CausePageFault: "#cc9a00",
	result.CausePreempted: "#e58a1f",
	result.CauseChild:     "#b06fb5",
	result.CauseGPUDriver: "#4f9a4a",

	result.CauseProfiler:         "#77808a",
	result.CauseWarmUp:           "#b58900",
	result.CauseCompile:          "#7f5bc0",
	result.CauseLaunchLatency:    "#56a3d9",
	result.CauseStreamDependency: "#009e83",
	result.CauseDeviceWait:       "#9a8c7c",
	result.CauseSyncRefill:       "#d9541e",
	result.CausePageableCopy:     "#cc5f8f",
	result.CauseAllocator:        "#a0693a",
	result.CauseDataLoading:      "#2a9d6f",
	result.CauseFramework:        "#4a6fd0",
}

// partColor is the colour of what a device did.
var partColor = map[string]markup{"kernels": "#6ca80f", "communication": "#c98500", "copies": "#d0649b", "sets": "#a78bc4"}

const unknownColor markup = "#8b9198"

// sliceStyle is how a class of the timeline is drawn: waiting is lower than running,
// and hatched, and what some eyes would confuse in one row differs in one of the two, so
// that the picture does not rest on colour.
type sliceStyle struct {
	color markup
	// height in SVG units.
	height int
	hatch  bool
}

var sliceStyles = map[string]sliceStyle{
	"running":    {causeColor[result.CausePython], 14, false},
	"runnable":   {causeColor[result.CausePreempted], 10, true},
	"preempted":  {causeColor[result.CausePreempted], 10, true},
	"gil":        {causeColor[result.CauseGIL], 7, true},
	"lock":       {causeColor[result.CauseLock], 7, true},
	"disk":       {causeColor[result.CauseHostIO], 7, false},
	"network":    {causeColor[result.CauseNetworkIO], 7, true},
	"sleep":      {causeColor[result.CauseSleep], 4, false},
	"page_fault": {causeColor[result.CausePageFault], 14, true},
	"poll":       {causeColor[result.CausePoll], 4, false},
	"pipe":       {causeColor[result.CauseHostIO], 7, true},
	"child":      {causeColor[result.CauseChild], 4, true},
	"gpu_driver": {causeColor[result.CauseGPUDriver], 10, true},
	"syscall":    {causeColor[result.CauseSyscall], 7, false},
	"gc":         {causeColor[result.CauseGC], 14, false},
	"scope":      {"#9db7d6", 14, false},
	"mark":       {"#b3261e", 14, false},
	"line":       {"#5b7fa8", 10, false},
	"kernel":     {partColor["kernels"], 14, false},
	"copy":       {partColor["copies"], 10, true},
	"set":        {partColor["sets"], 7, true},
	"unseen":     {"#c6ccd3", 14, true},

	"call_launch": {causeColor[result.CauseFramework], 14, false},
	"call_copy":   {partColor["copies"], 14, false},
	"call_sync":   {causeColor[result.CauseSyncRefill], 10, true},
	"call_alloc":  {causeColor[result.CauseAllocator], 14, false},
	"call_module": {causeColor[result.CauseCompile], 10, false},
	"call_event":  {causeColor[result.CauseStreamDependency], 7, false},
	"call_init":   {causeColor[result.CauseWarmUp], 14, false},
	"call_other":  {unknownColor, 4, false},
}

func colorOfCause(k result.CauseKind) markup {
	if c, ok := causeColor[k]; ok {
		return c
	}
	return unknownColor
}

func sliceOf(class string) sliceStyle {
	if s, ok := sliceStyles[class]; ok {
		return s
	}
	if c, ok := causeColor[result.CauseKind(class)]; ok {
		return sliceStyle{c, 10, false}
	}
	return sliceStyle{unknownColor, 4, true}
}
