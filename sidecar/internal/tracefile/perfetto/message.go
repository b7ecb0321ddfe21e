package perfetto

import (
	"encoding/binary"
	"math"
)

// The wire types of protocol buffers that are used here.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

// message is an encoded protocol buffer under construction: fields are appended in any order.
type message []byte

func (m *message) tag(field, wire uint64) { *m = binary.AppendUvarint(*m, field<<3|wire) }

// uint appends an integer, an enumeration or a bool of any width.
func (m *message) uint(field, v uint64) {
	m.tag(field, wireVarint)
	*m = binary.AppendUvarint(*m, v)
}

// int appends an int32 or int64; a negative one takes ten bytes, as the format has it.
func (m *message) int(field uint64, v int64) { m.uint(field, uint64(v)) }

// fixed appends a fixed64.
func (m *message) fixed(field, v uint64) {
	m.tag(field, wireFixed64)
	*m = binary.LittleEndian.AppendUint64(*m, v)
}

func (m *message) double(field uint64, v float64) { m.fixed(field, math.Float64bits(v)) }

func (m *message) text(field uint64, s string) {
	m.tag(field, wireBytes)
	*m = binary.AppendUvarint(*m, uint64(len(s)))
	*m = append(*m, s...)
}

// sub appends a message inside of this one.
func (m *message) sub(field uint64, inner message) {
	m.tag(field, wireBytes)
	*m = binary.AppendUvarint(*m, uint64(len(inner)))
	*m = append(*m, inner...)
}
