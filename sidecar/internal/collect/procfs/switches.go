package procfs

import (
	"bytes"
	"fmt"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// switchCount adds up the context switches of all threads of a process, and its
// CPU time by memory node. The kernel keeps both a thread; those of an ended
// thread are kept up to the last look at it. InferScope's own threads in the
// process are left out.
type switchCount struct {
	pid     int
	nodes   *nodes
	threads map[int32]*threadCount
	tids    []int32
	buf     []byte
	begun   bool
	known   bool
	// ended is how many threads were seen and then not any more.
	ended int64
	// cpuByNode is CPU time by node, in ticks; nil on a machine with one node.
	cpuByNode map[int]int64
}

type threadCount struct {
	voluntary, involuntary           int64
	firstVoluntary, firstInvoluntary int64
	ticks                            int64
	seen                             bool
	ended                            bool
	own                              bool
}

func newSwitchCount(pid int, n *nodes) switchCount {
	c := switchCount{pid: pid, nodes: n, threads: map[int32]*threadCount{}, buf: make([]byte, 8192)}
	if len(n.list) > 1 {
		c.cpuByNode = map[int]int64{}
	}
	return c
}

// scan looks at every thread. Of those that exist at the first scan the past is
// left out; those that come later count from their start.
func (c *switchCount) scan() {
	var err error
	if c.tids, err = Threads(c.pid, c.tids[:0]); err != nil {
		return
	}
	for _, t := range c.threads {
		t.seen = false
	}
	for _, tid := range c.tids {
		text, err := readFile(fmt.Sprintf("/proc/%d/task/%d/status", c.pid, tid), c.buf)
		if err != nil {
			continue
		}
		v, ok1 := value(text, "voluntary_ctxt_switches")
		n, ok2 := value(text, "nonvoluntary_ctxt_switches")
		if !ok1 || !ok2 {
			continue
		}
		c.known = true
		t := c.threads[tid]
		if t == nil {
			t = &threadCount{}
			if !c.begun {
				t.firstVoluntary, t.firstInvoluntary = v, n
			}
			c.threads[tid] = t
		}
		t.voluntary, t.involuntary, t.seen = v, n, true
		// A thread has its creator's name until it gives itself its own. The first one is the
		// program's, whatever it is called.
		t.own = tid != int32(c.pid) && ownName(text)
		if c.cpuByNode != nil && !t.own {
			c.cpuOf(tid, t)
		}
	}
	for _, t := range c.threads {
		if !t.seen && !t.ended {
			t.ended = true
			if !t.own {
				c.ended++
			}
		}
	}
	c.begun = true
}

// ownName says whether a thread's status, which begins with its name, names it as InferScope's.
func ownName(status []byte) bool {
	return bytes.HasPrefix(status, []byte("Name:\t"+timeline.OwnThreadPrefix))
}

// cpuOf adds what a thread used since the last look to the node it is on now.
func (c *switchCount) cpuOf(tid int32, t *threadCount) {
	text, err := readFile(fmt.Sprintf("/proc/%d/task/%d/stat", c.pid, tid), c.buf)
	if err != nil {
		return
	}
	s, err := ParseStat(text)
	if err != nil {
		return
	}
	ticks := s.UserTicks + s.SystemTicks
	if node, ok := c.nodes.ofCPU[s.Processor]; ok && c.begun {
		c.cpuByNode[node] += max(ticks-t.ticks, 0)
	}
	t.ticks = ticks
}

// totals are the switches since the first scan; -1 when the kernel does not tell.
func (c *switchCount) totals() (voluntary, involuntary int64) {
	if !c.known {
		return -1, -1
	}
	for _, t := range c.threads {
		if t.own {
			continue
		}
		v, n := t.switches()
		voluntary += v
		involuntary += n
	}
	return voluntary, involuntary
}

// switches are a thread's since it was first counted.
func (t *threadCount) switches() (voluntary, involuntary int64) {
	return max(t.voluntary-t.firstVoluntary, 0), max(t.involuntary-t.firstInvoluntary, 0)
}

// incomplete is how many threads have ended, when what they may have done after
// the last look at them can matter: where a tenth of all switches was theirs. The
// idle helpers that CUPTI starts and ends with each capture are none of these.
func (c *switchCount) incomplete() int64 {
	const matters = 10
	var all, ended int64
	for _, t := range c.threads {
		if t.own {
			continue
		}
		v, n := t.switches()
		all += v + n
		if t.ended {
			ended += v + n
		}
	}
	if ended*matters < all || ended == 0 {
		return 0
	}
	return c.ended
}
