package kineto

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// event is what is kept of one event.
type event struct {
	start, end int64
	bytes      int64
	// device is -1 where the event does not name one.
	device      int64
	name        uint32 // an index into the worker's names
	thread      uint32 // an index into the worker's threads
	stream      uint32
	correlation uint32
	class       class
	// Of a counter, value is its reading, and unit an index of units.
	value float64
	unit  uint8
}

// What a worker remembers is bounded: past it a name is the one that stands for all.
const (
	maxNameBytes = 16 << 20
	// overflow is the index of a name, or of a thread, for which there was no more room.
	overflow   = math.MaxUint32
	maxThreads = 1 << 16
)

// threadKey is a thread as the trace names it: numbers, or text where they are none.
type threadKey struct{ pid, tid string }

// events are the events of one batch, and what is new in it.
type events struct {
	seq int
	// worker made them: their names and threads are indices of its own.
	worker int
	list   []event
	// names and threads are those that the worker met first in this batch, in the order of its indices.
	names   []string
	threads []threadKey
	err     *syntaxError
	// lost counts events by what was wrong with their times; ignored are those of other kinds.
	noTime, hugeTime, inverted, notObjects int64
	ignored                                int64
}

// syntaxError is the first thing in a batch that is not JSON.
type syntaxError struct {
	at   int64
	text string
}

// parser reads the events of batches. Each worker has its own.
type parser struct {
	id        int
	names     map[string]uint32
	nameBytes int
	threads   map[threadKey]uint32
	// The last thread, by what the trace wrote: most events are of the same one as the one before.
	lastPID, lastTID []byte
	lastThread       uint32
	scratch          []byte
	out              *events
}

func newParser(id int) *parser {
	return &parser{id: id, names: map[string]uint32{}, threads: map[threadKey]uint32{}}
}

// batch reads all events of a batch.
func (p *parser) batch(b batch) *events {
	p.out = &events{seq: b.seq, worker: p.id, list: make([]event, 0, min(len(b.bounds)/2, len(b.data)/64+1))}
	for i := 0; i < len(b.bounds); i += 2 {
		start, end := int(b.bounds[i]), int(b.bounds[i+1])
		if b.data[start] != '{' {
			p.out.notObjects++
			continue
		}
		if at, text := p.event(b.data[start:end]); text != "" {
			p.out.err = &syntaxError{b.at + int64(start+at), text}
			break
		}
	}
	return p.out
}

// fields are the values of one event, as the trace has them.
type fields struct {
	phase                        byte
	category, name               []byte
	pid, tid, ts, dur, arguments []byte
	escaped                      bool // of the name
}

func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return i
}

// token is the value at i: a string without its quotes, or everything up to where the
// value ends; and the position behind it. quoted tells strings.
func token(b []byte, i int) (text []byte, end int, quoted bool) {
	if i >= len(b) {
		return nil, i, false
	}
	switch b[i] {
	case '"':
		end = stringEnd(b, i+1)
		if end < 0 {
			return nil, len(b), false
		}
		return b[i+1 : end-1], end, true
	case '{', '[':
		end = containerEnd(b, i)
		return b[i:end], end, false
	}
	end = i
	for end < len(b) && b[end] > ' ' && b[end] != ',' && b[end] != '}' && b[end] != ']' {
		end++
	}
	return b[i:end], end, false
}

// containerEnd is the position behind the list or object at i. The splitter has seen that its brackets match.
func containerEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i+1); i < 0 {
				return len(b)
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}

// member reads a key and the position of its value. done is true at the end of the
// object; text says what is wrong at the position returned.
func member(b []byte, i int, first bool) (key []byte, at int, done bool, text string) {
	if i = space(b, i); i >= len(b) {
		return nil, i, false, "the object does not end"
	}
	if b[i] == '}' {
		return nil, i + 1, true, ""
	}
	if !first {
		if b[i] != ',' {
			return nil, i, false, "a comma was expected"
		}
		i = space(b, i+1)
	}
	if i >= len(b) || b[i] != '"' {
		return nil, i, false, "a name in quotes was expected"
	}
	key, i, _ = token(b, i)
	if i = space(b, i); i >= len(b) || b[i] != ':' {
		return nil, i, false, "a colon was expected"
	}
	if i = space(b, i+1); i >= len(b) || b[i] == ',' || b[i] == '}' || b[i] == ']' {
		return nil, i, false, "a value was expected"
	}
	return key, i, false, ""
}

// event reads one event; of a key that comes twice the last value counts.
func (p *parser) event(b []byte) (int, string) {
	f := fields{}
	i := 1
	for first := true; ; first = false {
		key, at, done, text := member(b, i, first)
		if text != "" {
			return at, text
		}
		if done {
			break
		}
		var value []byte
		var quoted bool
		value, i, quoted = token(b, at)
		switch string(key) {
		case "ph":
			f.phase = 0
			if quoted && len(value) == 1 {
				f.phase = value[0]
			}
			if f.phase != 'X' && f.phase != 'M' && f.phase != 'C' { // flows, instants
				p.out.ignored++
				return 0, ""
			}
		case "name":
			f.name, f.escaped = value, quoted && bytes.IndexByte(value, '\\') >= 0
		case "cat":
			f.category = value
		case "pid":
			f.pid = value
		case "tid":
			f.tid = value
		case "ts":
			f.ts = value
		case "dur":
			f.dur = value
		case "args":
			f.arguments = value
		}
	}
	switch f.phase {
	case 'X':
		return p.complete(&f)
	case 'M':
		return p.metadata(&f)
	case 'C':
		p.counters(&f)
		return 0, ""
	}
	p.out.ignored++
	return 0, ""
}

// complete keeps a complete event.
func (p *parser) complete(f *fields) (int, string) {
	e := event{class: classOf(f.category), device: -1}
	if e.class == classNone {
		return 0, ""
	}
	var bad, badDuration fault
	e.start, bad = nanoseconds(f.ts)
	duration, badDuration := nanoseconds(f.dur)
	if badDuration == absent { // an event without a duration is an instant
		duration = 0
	}
	e.end = e.start + duration
	switch {
	case bad == absent:
		p.out.noTime++
		return 0, ""
	case bad == huge || badDuration == huge || duration > 0 && e.end < e.start:
		p.out.hugeTime++
		return 0, ""
	case duration < 0:
		p.out.inverted++
		return 0, ""
	}
	if e.class.hasArguments() {
		p.arguments(f, &e)
	}
	e.name = p.name(f.name, f.escaped)
	e.thread = p.thread(f.pid, f.tid)
	p.out.list = append(p.out.list, e)
	return 0, ""
}

// arguments reads what the arguments tell of a device's operation or a call. Without
// a device and a stream among them, the process is the device and the thread the stream.
func (p *parser) arguments(f *fields, e *event) {
	b := f.arguments
	stream := false
	if len(b) > 0 && b[0] == '{' {
		i := 1
		for first := true; ; first = false {
			key, at, done, text := member(b, i, first)
			if text != "" || done {
				break // what is wrong inside of the arguments costs no more than them
			}
			var value []byte
			value, i, _ = token(b, at)
			switch string(key) {
			case "device":
				e.device = number(value, -1)
			case "stream":
				if n, bad := integer(value); bad == fine {
					e.stream, stream = uint32(n), true
				}
			case "correlation":
				if n := number(value, 0); n > 0 && n <= math.MaxUint32 {
					e.correlation = uint32(n)
				} else {
					e.correlation = 0
				}
			case "bytes":
				e.bytes = max(number(value, 0), 0)
			}
		}
	}
	if e.class == classCall {
		return
	}
	if e.device < 0 {
		e.device = number(f.pid, -1)
	}
	if !stream {
		e.stream = uint32(number(bytes.TrimPrefix(f.tid, []byte("stream ")), 0))
	}
}

// number is an integer, or instead of one that cannot be read what is given.
func number(text []byte, instead int64) int64 {
	if n, bad := integer(text); bad == fine {
		return n
	}
	return instead
}

// metadata keeps the name of a thread.
func (p *parser) metadata(f *fields) (int, string) {
	if string(f.name) != "thread_name" || len(f.arguments) == 0 || f.arguments[0] != '{' {
		return 0, ""
	}
	i := 1
	for first := true; ; first = false {
		key, at, done, text := member(f.arguments, i, first)
		if text != "" || done {
			return 0, ""
		}
		var value []byte
		var quoted bool
		value, i, quoted = token(f.arguments, at)
		if string(key) == "name" && quoted {
			p.out.list = append(p.out.list, event{class: classThreadName, device: -1,
				name: p.name(value, bytes.IndexByte(value, '\\') >= 0), thread: p.thread(f.pid, f.tid)})
		}
	}
}

// name interns a name.
func (p *parser) name(text []byte, escaped bool) uint32 {
	if escaped {
		p.scratch = unescaped(p.scratch[:0], text)
		text = p.scratch
	}
	if len(text) > timeline.MaxName+1 { // the timeline cuts and marks what is longer than MaxName
		text = text[:timeline.MaxName+1]
	}
	id, ok := p.names[string(text)]
	if ok {
		return id
	}
	if p.nameBytes += len(text) + 64; p.nameBytes > maxNameBytes {
		return overflow
	}
	id = uint32(len(p.names))
	s := string(text)
	p.names[s] = id
	p.out.names = append(p.out.names, s)
	return id
}

// thread interns a thread.
func (p *parser) thread(pid, tid []byte) uint32 {
	if p.lastPID != nil && bytes.Equal(pid, p.lastPID) && bytes.Equal(tid, p.lastTID) {
		return p.lastThread
	}
	const longest = 64 // of an id
	key := threadKey{string(pid[:min(len(pid), longest)]), string(tid[:min(len(tid), longest)])}
	id, ok := p.threads[key]
	if !ok {
		if len(p.threads) >= maxThreads {
			return overflow
		}
		id = uint32(len(p.threads))
		p.threads[key] = id
		p.out.threads = append(p.out.threads, key)
	}
	p.lastPID, p.lastTID, p.lastThread = append(p.lastPID[:0], pid...), append(p.lastTID[:0], tid...), id
	return id
}

// unescaped appends the text of a JSON string. What is no escape of JSON stands for
// itself: some tools write Windows paths as they are.
func unescaped(to, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			to = append(to, c)
			i++
			continue
		}
		i += 2
		switch c = text[i-1]; c {
		case 'n':
			to = append(to, '\n')
		case 't':
			to = append(to, '\t')
		case 'r':
			to = append(to, '\r')
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case '"', '\\', '/':
			to = append(to, c)
		case 'u':
			r, ok := hex4(text, i)
			if !ok {
				to = append(to, '\\', c)
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) && i+1 < len(text) && text[i] == '\\' && text[i+1] == 'u' {
				if low, ok := hex4(text, i+2); ok {
					if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
						r, i = pair, i+6
					}
				}
			}
			to = utf8.AppendRune(to, r)
		default:
			to = append(to, '\\', c)
		}
	}
	return to
}

func hex4(text []byte, i int) (rune, bool) {
	if i+4 > len(text) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[i:i+4]), 16, 16)
	return rune(n), err == nil
}
