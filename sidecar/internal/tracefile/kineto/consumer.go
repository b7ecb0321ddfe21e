package kineto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

// consumer puts the events together. known runs in the splitter's goroutine, add in
// Read's; finish comes after both.
type consumer struct {
	a         *importer.Assembly
	workers   []translation
	transfers map[timeline.NameID]transfer
	lost      events // its counters alone

	devices []device
	epoch   int64
	// counters are the names of counters by what the trace calls them; owners the processes that had a name first.
	counters map[counterKey]string
	owners   map[timeline.NameID]int64
}

// counterKey is a counter as the trace tells counters apart.
type counterKey struct {
	name timeline.NameID
	pid  int64
}

// translation is what a worker's indices stand for.
type translation struct {
	names   []timeline.NameID
	threads []hostThread
}

// hostThread is a thread of the trace, which the timeline gets when it first does something.
type hostThread struct {
	pid, tid int64
	made     *importer.Thread
}

// device is one entry of the trace's list of devices.
type device struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Memory int64  `json:"totalGlobalMem"`
}

func newConsumer(a *importer.Assembly, workers int) *consumer {
	return &consumer{a: a, workers: make([]translation, workers), transfers: map[timeline.NameID]transfer{},
		counters: map[counterKey]string{}, owners: map[timeline.NameID]int64{}}
}

func (c *consumer) wants(key string) bool {
	return key == "deviceProperties" || key == "baseTimeNanoseconds"
}

// known takes a value of the top-level object. One that is not what it should be is left alone.
func (c *consumer) known(key string, value []byte) {
	switch key {
	case "baseTimeNanoseconds":
		if n, bad := integer(bytes.Trim(value, `"`)); bad == fine {
			c.epoch = n
		}
	case "deviceProperties":
		var list []device
		if json.Unmarshal(value, &list) == nil {
			c.devices = list[:min(len(list), importer.MaxDevices)]
		}
	}
}

// hash is an id for text that is no number: FNV-1a with the top bit set, beyond all real ids.
func hash(text string) int64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return int64(h | 1<<63)
}

// id is a process's or a thread's id; one that is missing is 0.
func id(text string) int64 {
	n, bad := integer([]byte(text))
	if bad != fine && text != "" {
		return hash(text)
	}
	return n
}

// add takes the events of one batch; batches come in the order of the trace.
func (c *consumer) add(out *events) {
	w := &c.workers[out.worker]
	for _, name := range out.names {
		w.names = append(w.names, c.a.Name(name))
	}
	for _, key := range out.threads {
		w.threads = append(w.threads, hostThread{pid: id(key.pid), tid: id(key.tid)})
	}
	c.lost.noTime += out.noTime
	c.lost.hugeTime += out.hugeTime
	c.lost.inverted += out.inverted
	c.lost.notObjects += out.notObjects
	for i := range out.list {
		c.event(w, &out.list[i])
	}
}

func (c *consumer) event(w *translation, e *event) {
	var name timeline.NameID
	if e.name == overflow {
		name = c.a.Name(timeline.OverflowName)
	} else {
		name = w.names[e.name]
	}
	switch e.class {
	case classKernel:
		c.a.Op(e.device, timeline.Op{Start: e.start, End: e.end, Kind: timeline.OpKernel, Stream: e.stream, Name: name, Correlation: e.correlation})
	case classMemcpy:
		t := c.transfer(name)
		c.a.Op(e.device, timeline.Op{Start: e.start, End: e.end, Kind: timeline.OpMemcpy, Stream: e.stream, Bytes: e.bytes, Copy: t.kind,
			Source: t.source, Target: t.target, Correlation: e.correlation})
	case classMemset:
		c.a.Op(e.device, timeline.Op{Start: e.start, End: e.end, Kind: timeline.OpMemset, Stream: e.stream, Bytes: e.bytes, Correlation: e.correlation})
	case classCall:
		c.a.Call(c.thread(w, e), e.start, e.end, name, e.correlation)
	case classOperator:
		c.a.Operator(c.thread(w, e), e.start, e.end, name)
	case classPython:
		c.a.Range(c.thread(w, e), e.start, e.end, name, timeline.RangePython)
	case classAnnotation, classOther:
		c.a.Marked(c.thread(w, e), e.start, e.end, name)
	case classWall:
		c.a.Covers(e.start, e.end)
	case classOverhead:
		c.overhead(e, name)
	case classThreadName:
		c.nameThread(w, e, name)
	case classCounter:
		if e.thread != overflow {
			c.a.Counter(c.counter(name, w.threads[e.thread].pid), units[e.unit], e.start, e.value)
		}
	}
}

// counter is the name of a counter. Those of several processes may have one name: then the later say of which they are.
func (c *consumer) counter(name timeline.NameID, pid int64) string {
	key := counterKey{name, pid}
	text, ok := c.counters[key]
	if ok {
		return text
	}
	text = c.a.Text(name)
	if owner, taken := c.owners[name]; !taken {
		c.owners[name] = pid
	} else if owner != pid {
		text = fmt.Sprintf("%s (process %d)", text, pid)
	}
	if len(c.counters) < maxThreads {
		c.counters[key] = text
	}
	return text
}

// queueFull is an overhead record that is none of the tool's: the device's queue was full.
const queueFull = "Command Buffer Full"

func (c *consumer) overhead(e *event, name timeline.NameID) {
	if c.a.Text(name) != queueFull {
		c.a.Overhead(e.start, e.end)
	}
}

func (c *consumer) transfer(name timeline.NameID) transfer {
	t, ok := c.transfers[name]
	if !ok {
		t = transferOf(c.a.Text(name))
		c.transfers[name] = t
	}
	return t
}

// thread is the event's host thread; nil when there are too many.
func (c *consumer) thread(w *translation, e *event) *importer.Thread {
	if e.thread == overflow {
		return nil
	}
	t := &w.threads[e.thread]
	if t.made == nil {
		t.made = c.a.Thread(t.pid, t.tid)
	}
	return t.made
}

// nameThread names a thread that has events: the metadata also names the streams of
// devices, and devices that there might be. It comes before or after them.
func (c *consumer) nameThread(w *translation, e *event, name timeline.NameID) {
	if text := c.a.Text(name); e.thread != overflow && !strings.HasPrefix(text, "stream ") {
		t := w.threads[e.thread]
		c.a.NameThread(t.pid, t.tid, text)
	}
}

func (c *consumer) finish() (*importer.Imported, error) {
	c.a.SetEpoch(c.epoch)
	for _, d := range c.devices {
		c.a.Describe(d.ID, d.Name, "", d.Memory)
	}
	c.a.Lose("events had no time", c.lost.noTime)
	c.a.Lose("events had times that are too large to be any", c.lost.hugeTime)
	c.a.Lose("events ended before they began", c.lost.inverted)
	c.a.Lose("entries of the list of events were no events", c.lost.notObjects)
	return c.a.Finish()
}
