package timeline

import (
	"runtime"
	"unsafe"
)

// column grows in chunks, so that growth never copies and leaves no garbage.
type column[T any] struct {
	full [][]T
	tail []T
	rows int
}

const (
	firstChunk = 64
	lastChunk  = 16 << 10
)

func (c *column[T]) push(v T) {
	if len(c.tail) == cap(c.tail) {
		c.grow()
	}
	c.tail = append(c.tail, v)
}

func (c *column[T]) grow() {
	next := firstChunk
	if n := cap(c.tail); n > 0 {
		c.full = append(c.full, c.tail)
		c.rows += len(c.tail)
		next = min(2*n, lastChunk)
	}
	c.tail = make([]T, 0, next)
}

func (c *column[T]) len() int { return c.rows + len(c.tail) }

// take empties the column and returns its rows in the given order; nil means as
// appended. freed counts the bytes that became garbage.
func (c *column[T]) take(order []uint32, freed *garbage) []T {
	out := c.tail
	var zero T
	size := int(unsafe.Sizeof(zero))
	if len(c.full) > 0 {
		out = make([]T, 0, c.len())
		for _, chunk := range c.full {
			out = append(out, chunk...)
		}
		out = append(out, c.tail...)
	}
	copied := len(c.full) > 0
	*c = column[T]{}
	if copied {
		freed.add(len(out) * size)
	}
	if order == nil {
		return out
	}
	sorted := make([]T, len(order))
	for i, row := range order {
		sorted[i] = out[row]
	}
	freed.add(len(out) * size)
	return sorted
}

// runs finds the ordered stretches of a stream of keys as they are appended.
type runs struct {
	last   int64
	rows   uint32
	starts []uint32
}

func (r *runs) note(key int64) {
	if key < r.last || r.rows == 0 {
		r.starts = append(r.starts, r.rows)
	}
	r.last = key
	r.rows++
}

// order is the permutation that sorts keys, nil when they are sorted already.
func (r *runs) order(keys *column[int64], freed *garbage) []uint32 {
	if len(r.starts) <= 1 {
		return nil
	}
	flat := make([]int64, 0, keys.len())
	for _, chunk := range keys.full {
		flat = append(flat, chunk...)
	}
	flat = append(flat, keys.tail...)
	at := append([]uint32(nil), r.starts...)
	ends := append(append([]uint32(nil), r.starts[1:]...), r.rows)
	first := make([]int64, len(at))
	for i, row := range at {
		first[i] = flat[row]
	}
	tree := NewLoserTree(first)
	order := make([]uint32, 0, r.rows)
	for {
		s, ok := tree.Winner()
		if !ok {
			break
		}
		order = append(order, at[s])
		at[s]++
		if at[s] == ends[s] {
			tree.Exhaust()
		} else {
			tree.Replace(flat[at[s]])
		}
	}
	freed.add(8 * len(order))
	return order
}

// garbage counts the bytes of emptied columns and collects them now and then.
// Columns hold no pointers, so a collection costs about a millisecond; without it
// the heap would grow to twice its size before the runtime collects by itself.
type garbage struct{ bytes int }

const collectEvery = 48 << 20

func (g *garbage) add(bytes int) {
	if g.bytes += bytes; g.bytes > collectEvery {
		runtime.GC()
		g.bytes = 0
	}
}
