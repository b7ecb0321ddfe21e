package kineto

import (
	"bytes"
	"slices"
	"strconv"
)

// units are those that an exporter names instead of a series (InferScope's own does); the
// first stands for none.
var units = []string{"", "share", "bytes", "W", "MHz"}

// mostSeries is how many values of one counter event are read.
const mostSeries = 32

// counters keeps the values of a counter event: each is a counter of its own, named
// after the event and, where there may be several, after the value.
func (p *parser) counters(f *fields) {
	if len(f.arguments) == 0 || f.arguments[0] != '{' {
		p.out.ignored++
		return
	}
	at, bad := nanoseconds(f.ts)
	switch bad {
	case absent:
		p.out.noTime++
		return
	case huge:
		p.out.hugeTime++
		return
	}
	i := 1
	for first, n := true, 0; n < mostSeries; first, n = false, n+1 {
		key, from, done, text := member(f.arguments, i, first)
		if text != "" || done {
			return // what is wrong inside of the arguments costs no more than them
		}
		var value []byte
		value, i, _ = token(f.arguments, from)
		number, err := strconv.ParseFloat(string(value[:min(len(value), 64)]), 64)
		if err != nil {
			continue
		}
		e := event{class: classCounter, device: -1, start: at, end: at, value: number, thread: p.thread(f.pid, f.tid)}
		switch unit := slices.Index(units, string(key)); {
		case unit > 0:
			e.unit = uint8(unit)
			e.name = p.name(f.name, f.escaped)
		case string(key) == "value":
			e.name = p.name(f.name, f.escaped)
		default:
			name := append(append(bytes.Clone(f.name), ' '), key...)
			e.name = p.name(name, bytes.IndexByte(name, '\\') >= 0)
		}
		p.out.list = append(p.out.list, e)
	}
}
