package attribution

import (
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// idle is an index into idleKinds.
type idle = uint8

const (
	iProfiler idle = iota
	iWarmUp
	iCompile
	iLaunch
	iDependency
	iDeviceWait
	iRefill
	iPageable
	iAllocator
	iLoading
	iHost // the first of the host's kinds up to kSyscall, in their order
)

const (
	iFramework = iHost + idle(kPython) + iota
	iPython
	iNative
	iOutside // the host had not launched the next operation, and nothing tells what it did
	iUnknown
	numIdle
)

var idleKinds = func() [numIdle]result.CauseKind {
	out := [numIdle]result.CauseKind{result.CauseProfiler, result.CauseWarmUp, result.CauseCompile, result.CauseLaunchLatency,
		result.CauseStreamDependency, result.CauseDeviceWait, result.CauseSyncRefill, result.CausePageableCopy, result.CauseAllocator,
		result.CauseDataLoading}
	copy(out[iHost:], kinds[:kPython])
	out[iFramework], out[iPython], out[iNative], out[iUnknown] = result.CauseFramework, result.CausePython, result.CauseNative, result.CauseUnknown
	out[iOutside] = result.CauseUnknown
	return out
}()

// idleOf is the idle kind of a kind of the host.
func idleOf(k kind) idle {
	switch k {
	case kPython:
		return iPython
	case kNative:
		return iNative
	case kProfiler:
		return iProfiler
	case kFramework:
		return iFramework
	case kLoading:
		return iLoading
	case kUnknown:
		return iUnknown
	}
	return iHost + idle(k)
}

// idleShare is the part of the wall that a cause of idle time belongs to.
func idleShare(k idle) Share {
	switch k {
	case iPageable:
		return ShareCopies
	case iProfiler, iDependency:
		return ShareOther
	case iOutside:
		return ShareUnseenHost
	case iDeviceWait, iUnknown:
		return ShareUnknown
	}
	return ShareHost
}

// proof is what the words about a cause are made of: a call, or a part of a thread's time.
type proof struct {
	call  timeline.NameID
	group packed
}

// majority keeps the proof that carries most of a sum, when any carries half.
type majority struct {
	proof proof
	ns    int64
}

func (m *majority) add(p proof, ns int64) {
	switch {
	case m.proof == p:
		m.ns += ns
	case m.ns < ns:
		m.proof, m.ns = p, ns-m.ns
	default:
		m.ns -= ns
	}
}
