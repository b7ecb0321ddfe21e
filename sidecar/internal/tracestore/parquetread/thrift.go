package parquetread

import (
	"encoding/binary"
	"fmt"
)

// The types of a value in Thrift's compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxDepth bounds nesting; Parquet's own structures are six deep.
const maxDepth = 16

// thrift reads the compact protocol from a slice. The first error stays and every
// later read gives zero. It allocates nothing that its input does not hold.
type thrift struct {
	data  []byte
	at    int
	depth int
	err   error
}

func (t *thrift) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

func (t *thrift) byte() byte {
	if t.err != nil || t.at >= len(t.data) {
		t.fail("ends in the middle of a value")
		return 0
	}
	t.at++
	return t.data[t.at-1]
}

func (t *thrift) uvarint() uint64 {
	if t.err != nil {
		return 0
	}
	v, n := binary.Uvarint(t.data[t.at:])
	if n <= 0 {
		t.fail("holds a number that does not end")
		return 0
	}
	t.at += n
	return v
}

// int is a zigzag number.
func (t *thrift) int() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// binary is a slice of the input.
func (t *thrift) binary() []byte {
	n := t.uvarint()
	if t.err != nil || n > uint64(len(t.data)-t.at) {
		t.fail("holds a text longer than itself")
		return nil
	}
	t.at += int(n)
	return t.data[t.at-int(n) : t.at]
}

// list calls each once an element. An element has at least one byte, so that a
// length says no more than what is there.
func (t *thrift) list(each func(kind byte)) {
	head := t.byte()
	size, kind := uint64(head>>4), head&15
	if size == 15 {
		size = t.uvarint()
	}
	if t.err != nil || size > uint64(len(t.data)-t.at) {
		t.fail("holds a list longer than itself")
		return
	}
	for ; size > 0 && t.err == nil; size-- {
		each(kind)
	}
}

// fields calls each for the fields of a struct; each says whether it has read the
// value, which is skipped otherwise.
func (t *thrift) fields(each func(id int16, kind byte) bool) {
	if t.depth++; t.depth > maxDepth {
		t.fail("is nested too deeply")
	}
	defer func() { t.depth-- }()
	id := int16(0)
	for t.err == nil {
		head := t.byte()
		kind := head & 15
		if t.err != nil || kind == 0 {
			return
		}
		if delta := int16(head >> 4); delta != 0 {
			id += delta
		} else {
			id = int16(t.int())
		}
		if !each(id, kind) {
			t.skip(kind, false)
		}
	}
}

// skip passes over a value; a boolean is a byte of its own only inside of a collection.
func (t *thrift) skip(kind byte, collected bool) {
	switch kind {
	case thriftTrue, thriftFalse:
		if collected {
			t.byte()
		}
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		if len(t.data)-t.at < 8 {
			t.fail("ends in the middle of a value")
			return
		}
		t.at += 8
	case thriftBinary:
		t.binary()
	case thriftList, thriftSet:
		if t.depth++; t.depth > maxDepth {
			t.fail("is nested too deeply")
		}
		t.list(func(kind byte) { t.skip(kind, true) })
		t.depth--
	case thriftStruct:
		t.fields(func(int16, byte) bool { return false })
	default: // Parquet's structures hold no map
		t.fail("holds a value of the unknown type %d", kind)
	}
}
