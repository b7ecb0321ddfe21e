package attribution

import (
	"github.com/inferscope/inferscope/analysis/timeline"
)

// journal is what a sweep over idle time found out, moment by moment, for whoever asks once it is
// over. A gap, and a moment of it, is a few variable-length numbers: there may be tens of millions. It is
// read by several goroutines at once.
type journal struct {
	chunks  [][]byte
	classes []momentClass

	// What the writer needs.
	number map[momentClass]uint32
	memo   [256]struct { // of number
		class  momentClass
		number uint32 // one more than that of the class, 0 for none
	}
	entry
}

// momentClass is what moments have in common that differ in time, call and waker alone. Of a sampled one kind
// says nothing.
type momentClass struct {
	line    int32
	thread  timeline.ThreadID
	kind    idle
	sampled bool
	state   threadState
	reason  timeline.Reason
}

// waits says that a moment may have a waker.
func (c *momentClass) waits() bool { return c.state == runnable || c.state == blocked }

// entry is one moment.
type entry struct {
	start, end   int64
	class        uint32
	call         int32
	waker        timeline.ThreadID
	gap          int64
	before, next int32
}

const (
	journalChunk = 64 << 10
	// mostOfEntry is the length of the longest entry.
	mostOfEntry = 8 * 10
	// newGap stands in the place of the number of a class before the first moment of a gap.
	newGap = 0
)

// add notes a moment. All of one gap come one after another, without a break.
func (j *journal) add(e entry, class momentClass) {
	n := len(j.chunks)
	if n == 0 || cap(j.chunks[n-1])-len(j.chunks[n-1]) < mostOfEntry {
		j.chunks = append(j.chunks, make([]byte, 0, journalChunk))
		n++
	}
	b := j.chunks[n-1]
	if e.gap != j.gap {
		b = append(b, newGap)
		b = appendSigned(b, e.start-j.end)
		b = appendSigned(b, int64(e.before-j.before))
		b = appendSigned(b, int64(e.next-j.next))
	}
	b = appendUnsigned(b, uint64(j.of(class)))
	b = appendUnsigned(b, uint64(e.end-e.start))
	b = appendSigned(b, int64(e.call-j.call))
	if class.waits() {
		b = appendUnsigned(b, uint64(e.waker))
	}
	j.chunks[n-1] = b
	j.entry = e
}

// of is one more than the number of a class.
func (j *journal) of(class momentClass) uint32 {
	memo := &j.memo[(uint32(class.line)*5+uint32(class.kind)+uint32(class.state)<<6+uint32(class.thread)*67)%uint32(len(j.memo))]
	if memo.number != 0 && memo.class == class {
		return memo.number
	}
	n, ok := j.number[class]
	if !ok {
		if j.number == nil {
			j.number = map[momentClass]uint32{}
		}
		j.classes = append(j.classes, class)
		n = uint32(len(j.classes))
		j.number[class] = n
	}
	memo.class, memo.number = class, n
	return n
}

// each tells of the moments in their order. The entry is valid during the call only.
func (j *journal) each(f func(*entry)) {
	var e entry
	for _, b := range j.chunks {
		for len(b) > 0 {
			class := unsigned(&b)
			if class == newGap {
				e.gap++
				e.end += signed(&b)
				e.before += int32(signed(&b))
				e.next += int32(signed(&b))
				class = unsigned(&b)
			}
			e.class = uint32(class - 1)
			e.start = e.end
			e.end += int64(unsigned(&b))
			e.call += int32(signed(&b))
			e.waker = 0
			if j.classes[e.class].waits() {
				e.waker = timeline.ThreadID(unsigned(&b))
			}
			f(&e)
		}
	}
}

// appendUnsigned appends a number, 7 bits a byte, the lowest first; all bytes but the last have the highest bit set.
func appendUnsigned(b []byte, x uint64) []byte {
	for ; x >= 0x80; x >>= 7 {
		b = append(b, byte(x)|0x80)
	}
	return append(b, byte(x))
}

// appendSigned appends a number with its sign in the lowest bit: most are small.
func appendSigned(b []byte, x int64) []byte { return appendUnsigned(b, uint64(x)<<1^uint64(x>>63)) }

// unsigned takes a number from the begin of b.
func unsigned(b *[]byte) uint64 {
	list := *b
	x := uint64(list[0])
	n := 1
	if x >= 0x80 {
		x &= 0x7f
		for shift := 7; ; shift += 7 {
			c := list[n]
			n++
			x |= uint64(c&0x7f) << shift
			if c < 0x80 {
				break
			}
		}
	}
	*b = list[n:]
	return x
}

func signed(b *[]byte) int64 {
	x := unsigned(b)
	return int64(x>>1) ^ -int64(x&1)
}
