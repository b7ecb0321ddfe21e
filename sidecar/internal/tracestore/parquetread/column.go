package parquetread

import (
	"encoding/binary"
	"math"
	"slices"
)

// The encodings that are read.
const (
	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingDelta           = 5
	encodingDictionary      = 8
)

// Column holds the values of one column of a row group. Which field is filled
// follows from the column's type: Ints for integers and booleans (0 and 1), Floats
// for doubles, Strings and Index for texts.
type Column struct {
	Ints   []int64
	Floats []float64
	// Index has one entry a row: the row's text is Strings[Index[row]].
	Index   []uint32
	Strings []string

	kind       int64
	dictionary []int64
}

func newColumn(kind int64, rows int) *Column {
	c := &Column{kind: kind}
	switch kind {
	case typeBoolean, typeInt32, typeInt64:
		c.Ints = make([]int64, 0, rows)
	case typeDouble:
		c.Floats = make([]float64, 0, rows)
	case typeByteArray:
		c.Index = make([]uint32, 0, rows)
	default:
		return nil
	}
	return c
}

func (c *Column) rows() int {
	return len(c.Ints) + len(c.Floats) + len(c.Index)
}

// setDictionary keeps the values that later pages refer to.
func (c *Column) setDictionary(page []byte, n int) error {
	switch c.kind {
	case typeByteArray:
		return c.plainStrings(page, n, nil)
	case typeInt32, typeInt64:
		values, err := plainInts(page, n, c.kind, nil)
		c.dictionary = values
		return err
	}
	return malformed("a dictionary for a column of the type %d", c.kind)
}

// add appends the values of a data page.
func (c *Column) add(page []byte, n int, encoding int64) (err error) {
	switch encoding {
	case encodingPlain:
		switch c.kind {
		case typeByteArray:
			return c.plainStrings(page, n, func(i uint32) { c.Index = append(c.Index, i) })
		case typeDouble:
			if len(page) < 8*n {
				return malformed("a page ends early")
			}
			for i := range n {
				c.Floats = append(c.Floats, math.Float64frombits(binary.LittleEndian.Uint64(page[8*i:])))
			}
			return nil
		}
		c.Ints, err = plainInts(page, n, c.kind, c.Ints)
		return err
	case encodingDelta:
		if c.kind != typeInt32 && c.kind != typeInt64 {
			break
		}
		c.Ints, err = deltas(page, n, c.kind, c.Ints)
		return err
	case encodingDictionary, encodingPlainDictionary:
		switch c.kind {
		case typeByteArray:
			at := len(c.Index)
			c.Index, err = indexes(page, n, c.Index)
			if err == nil && n > 0 && int(slices.Max(c.Index[at:])) >= len(c.Strings) {
				err = malformed("a value that is not in the dictionary")
			}
			return err
		case typeInt32, typeInt64:
			index, err := indexes(page, n, nil)
			if err != nil {
				return err
			}
			for _, i := range index {
				if int(i) >= len(c.dictionary) {
					return malformed("a value that is not in the dictionary")
				}
				c.Ints = append(c.Ints, c.dictionary[i])
			}
			return nil
		}
	}
	return malformed("the encoding %d for the type %d", encoding, c.kind)
}

// plainStrings appends n texts to Strings and tells each one's index.
func (c *Column) plainStrings(page []byte, n int, each func(uint32)) error {
	for range n {
		if len(page) < 4 {
			return malformed("a page ends early")
		}
		length := uint64(binary.LittleEndian.Uint32(page))
		if page = page[4:]; length > uint64(len(page)) {
			return malformed("a text longer than its page")
		}
		if each != nil {
			each(uint32(len(c.Strings)))
		}
		c.Strings = append(c.Strings, string(page[:length]))
		page = page[length:]
	}
	return nil
}

func plainInts(page []byte, n int, kind int64, dst []int64) ([]int64, error) {
	switch kind {
	case typeBoolean:
		if len(page) < (n+7)/8 {
			return dst, malformed("a page ends early")
		}
		for i := range n {
			dst = append(dst, int64(page[i/8]>>(i%8)&1))
		}
	case typeInt32:
		if len(page) < 4*n {
			return dst, malformed("a page ends early")
		}
		for i := range n {
			dst = append(dst, int64(int32(binary.LittleEndian.Uint32(page[4*i:]))))
		}
	case typeInt64:
		if len(page) < 8*n {
			return dst, malformed("a page ends early")
		}
		for i := range n {
			dst = append(dst, int64(binary.LittleEndian.Uint64(page[8*i:])))
		}
	default:
		return dst, malformed("plain values of the type %d", kind)
	}
	return dst, nil
}

// deltas decodes DELTA_BINARY_PACKED.
func deltas(page []byte, n int, kind int64, dst []int64) ([]int64, error) {
	t := &thrift{data: page} // its varints and zigzag numbers are those of the encoding
	block, minis, total := t.uvarint(), t.uvarint(), t.uvarint()
	value := t.int()
	if t.err != nil || total != uint64(n) || block == 0 || block > 1<<16 || block%128 != 0 || minis == 0 ||
		block%minis != 0 || (block/minis)%32 != 0 {
		return dst, malformed("a page of differences with a wrong header")
	}
	narrow := func(v int64) int64 {
		if kind == typeInt32 {
			return int64(int32(v))
		}
		return v
	}
	if n == 0 {
		return dst, nil
	}
	dst = append(dst, narrow(value))
	per := int(block / minis)
	for left := n - 1; left > 0; {
		least := t.int()
		if t.err != nil || uint64(len(page)-t.at) < minis {
			return dst, malformed("a page ends early")
		}
		widths := page[t.at : t.at+int(minis)]
		t.at += int(minis)
		for _, width := range widths {
			if left == 0 {
				break // the widths of miniblocks that are not there may be anything
			}
			bytes := per / 8 * int(width)
			if width > 64 || len(page)-t.at < bytes {
				return dst, malformed("a page ends early")
			}
			packed := page[t.at : t.at+bytes]
			t.at += bytes
			count := min(per, left)
			for i := range count {
				value += least + int64(unpack(packed, i*int(width), int(width)))
				dst = append(dst, narrow(value))
			}
			left -= count
		}
	}
	return dst, nil
}

// unpack is the number of width bits, at most 64, at a bit's position.
func unpack(packed []byte, bit, width int) uint64 {
	if width == 0 {
		return 0
	}
	at, shift := bit/8, bit%8
	var word [16]byte
	var low, high uint64
	if at+16 <= len(packed) {
		low, high = binary.LittleEndian.Uint64(packed[at:]), binary.LittleEndian.Uint64(packed[at+8:])
	} else {
		copy(word[:], packed[at:])
		low, high = binary.LittleEndian.Uint64(word[:]), binary.LittleEndian.Uint64(word[8:])
	}
	v := low >> shift
	if shift > 0 {
		v |= high << (64 - shift)
	}
	return v & (math.MaxUint64 >> (64 - width))
}

// indexes decodes a page of dictionary indexes: a byte for their width, then runs.
func indexes(page []byte, n int, dst []uint32) ([]uint32, error) {
	if len(page) == 0 {
		if n == 0 {
			return dst, nil
		}
		return dst, malformed("a page ends early")
	}
	width := int(page[0])
	if width > 32 {
		return dst, malformed("indexes of %d bits", width)
	}
	t := &thrift{data: page, at: 1}
	for left := n; left > 0; {
		head := t.uvarint()
		if t.err != nil || head>>1 == 0 {
			return dst, malformed("a page of indexes ends early")
		}
		if head&1 == 0 { // one value, repeated
			bytes := (width + 7) / 8
			if len(page)-t.at < bytes {
				return dst, malformed("a page of indexes ends early")
			}
			var word [4]byte
			copy(word[:], page[t.at:t.at+bytes])
			t.at += bytes
			value := binary.LittleEndian.Uint32(word[:])
			count := int(min(head>>1, uint64(left)))
			for range count {
				dst = append(dst, value)
			}
			left -= count
			continue
		}
		groups := head >> 1 // of eight values each
		count := int(min(groups, uint64(left+7)/8)) * 8
		bytes := count / 8 * width
		if len(page)-t.at < bytes {
			return dst, malformed("a page of indexes ends early")
		}
		packed := page[t.at : t.at+bytes]
		t.at += bytes
		count = min(count, left)
		for i := range count {
			dst = append(dst, uint32(unpack(packed, i*width, width)))
		}
		left -= count
	}
	return dst, nil
}
