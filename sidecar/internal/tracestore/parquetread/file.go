// Package parquetread reads the columns of Parquet files as the trace store writes
// them: flat, without nulls, data pages of version 1, plain, dictionary or delta
// encoded, compressed with Zstandard or not at all.
//
// The files are hostile input. Nothing is allocated for a length that the bytes do
// not bear out, every count is bounded, and what does not fit is an error. The
// library that writes the files trusts the lengths that it reads.
package parquetread

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Bounds on what is read.
const (
	// MaxFile is the most bytes of one file.
	MaxFile = 2 << 30
	// MaxGroupRows is the most rows of one row group.
	MaxGroupRows = 1 << 20
	maxFooter    = 8 << 20
	maxGroups    = 4096
	maxColumns   = 64
	maxPage      = 64 << 20 // uncompressed
)

// ErrFormat says that a file is not what this package reads.
var ErrFormat = errors.New("not a Parquet file of this format")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// openFlags refuse a link in the file's place and do not wait for the writer of a pipe.
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// The physical types of a column.
const (
	typeBoolean   = 0
	typeInt32     = 1
	typeInt64     = 2
	typeDouble    = 5
	typeByteArray = 6
)

// File is an open Parquet file. One goroutine at a time may use it.
type File struct {
	from   io.ReaderAt
	size   int64
	close  func() error
	groups []group
	pages  pageReader
}

type group struct {
	rows   int64
	chunks map[string]chunk
}

// chunk is where the pages of one column of one row group lie.
type chunk struct {
	kind       int64
	codec      int64
	values     int64
	start, end int64
}

// Open opens a file and reads its footer. The caller closes it.
func Open(name string) (*File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = malformed("it is not a regular file")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out, err := Read(f, info.Size())
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out.close = f.Close
	return out, nil
}

// Read reads the footer of a file of size bytes, which must stay readable.
func Read(from io.ReaderAt, size int64) (*File, error) {
	f := &File{from: from, size: size, close: func() error { return nil }}
	return f, f.readFooter()
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// Groups is the number of row groups.
func (f *File) Groups() int { return len(f.groups) }

// Rows is the number of rows of a row group.
func (f *File) Rows(group int) int { return int(f.groups[group].rows) }

func (f *File) readFooter() error {
	if f.size < 12 || f.size > MaxFile {
		return malformed("it has %d bytes", f.size)
	}
	var tail [8]byte
	if _, err := f.from.ReadAt(tail[:], f.size-8); err != nil {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" {
		return malformed("it has no footer")
	}
	if length > maxFooter || length > f.size-12 {
		return malformed("its footer has %d bytes", length)
	}
	footer := make([]byte, length)
	if _, err := f.from.ReadAt(footer, f.size-8-length); err != nil {
		return err
	}
	return f.parseFooter(footer, f.size-8-length)
}

// parseFooter reads FileMetaData; end is where the footer begins.
func (f *File) parseFooter(footer []byte, end int64) error {
	t := &thrift{data: footer}
	nested := false
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 2 && kind == thriftList: // schema: a root, and one element a column
			n := 0
			t.list(func(byte) {
				nested = parseSchemaElement(t, n == 0) || nested
				n++
			})
		case id == 4 && kind == thriftList:
			t.list(func(byte) {
				if len(f.groups) >= maxGroups {
					t.fail("has too many row groups")
					return
				}
				f.groups = append(f.groups, parseGroup(t))
			})
		default:
			return false
		}
		return true
	})
	if t.err != nil {
		return malformed("its footer %v", t.err)
	}
	if nested {
		return malformed("it has nested columns or nulls")
	}
	for i := range f.groups {
		g := &f.groups[i]
		if g.rows < 0 || g.rows > MaxGroupRows {
			return malformed("row group %d has %d rows", i, g.rows)
		}
		for name, c := range g.chunks {
			if c.start < 4 || c.end < c.start || c.end > end || c.values != g.rows {
				return malformed("row group %d: column %.60q lies outside of the file", i, name)
			}
		}
	}
	return nil
}

// parseSchemaElement says whether a column is one that this package does not read.
func parseSchemaElement(t *thrift, root bool) bool {
	var repetition, children int64
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 3 && kind == thriftI32:
			repetition = t.int()
		case id == 5 && kind == thriftI32:
			children = t.int()
		default:
			return false
		}
		return true
	})
	return !root && (repetition != 0 || children != 0)
}

func parseGroup(t *thrift) group {
	g := group{chunks: map[string]chunk{}}
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftList:
			t.list(func(byte) {
				if len(g.chunks) >= maxColumns {
					t.fail("has too many columns")
					return
				}
				name, c := parseChunk(t)
				g.chunks[name] = c
			})
		case id == 3 && kind == thriftI64:
			g.rows = t.int()
		default:
			return false
		}
		return true
	})
	return g
}

func parseChunk(t *thrift) (string, chunk) {
	var name string
	var c chunk
	var compressed, data, dictionary int64
	t.fields(func(id int16, kind byte) bool {
		if id != 3 || kind != thriftStruct {
			return false
		}
		t.fields(func(id int16, kind byte) bool {
			switch {
			case id == 1 && kind == thriftI32:
				c.kind = t.int()
			case id == 3 && kind == thriftList:
				t.list(func(byte) { name = string(t.binary()) })
			case id == 4 && kind == thriftI32:
				c.codec = t.int()
			case id == 5 && kind == thriftI64:
				c.values = t.int()
			case id == 7 && kind == thriftI64:
				compressed = t.int()
			case id == 9 && kind == thriftI64:
				data = t.int()
			case id == 11 && kind == thriftI64:
				dictionary = t.int()
			default:
				return false
			}
			return true
		})
		return true
	})
	c.start = data
	if dictionary > 0 && dictionary < data {
		c.start = dictionary
	}
	if compressed >= 0 && compressed <= MaxFile && c.start >= 0 && c.start <= MaxFile {
		c.end = c.start + compressed
	}
	return name, c
}

// Column reads one column of a row group. The result is valid until the file is closed.
func (f *File) Column(group int, name string) (*Column, error) {
	g := &f.groups[group]
	c, ok := g.chunks[name]
	if !ok {
		return nil, malformed("column %q is missing", name)
	}
	out, err := f.pages.read(io.NewSectionReader(f.from, c.start, c.end-c.start), c, int(g.rows))
	if err != nil {
		return nil, fmt.Errorf("column %q: %w", name, err)
	}
	return out, nil
}
