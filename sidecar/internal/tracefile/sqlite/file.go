// Package sqlite reads tables of SQLite database files, row by row in the order of the
// file, and does nothing else: no SQL, no index, no write. The files come from
// strangers; every length, offset and page number in them is checked, a loop of pages
// ends, and memory is bounded by the columns that one row asks for.
//
// The format is that of https://www.sqlite.org/fileformat2.html.
package sqlite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Magic begins every SQLite database file.
const Magic = "SQLite format 3\x00"

const (
	headerBytes = 100
	// maxDepth bounds a tree: pages have hundreds of children, so five levels hold all that there can be.
	maxDepth = 24
	// maxTables bounds the schema.
	maxTables = 4096
	// maxPayload is how much of one row is read: what follows is as if it were cut off.
	maxPayload = 1 << 20
)

// Error is a file that breaks the format.
type Error struct {
	// Table and Row are where reading was, empty and 0 in the header. Row counts from 1.
	Table string
	Row   int64
	// Page is the page, from 1; 0 when none is to blame.
	Page   uint32
	Reason string
	Err    error
}

// Error is the reason with the page; Table and Row are for the caller to word.
func (e *Error) Error() string {
	text := e.Reason
	if e.Page > 0 {
		text += fmt.Sprintf(" (page %d)", e.Page)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// File is a database that was opened. It keeps no lock: the file must not change.
type File struct {
	r      io.ReaderAt
	page   int64 // bytes of a page
	usable int64 // bytes of it that hold data
	pages  int64
	stated int64 // bytes that the file has by its own word; 0 where it does not say
	wide   bool  // text is UTF-16
	order  binary.ByteOrder
	tables map[string]*Table
}

// Size is how many bytes a database has by its own word, read from its first bytes; 0 where it does not say. An error is
// an *Error: these are no database's.
func Size(head []byte) (int64, error) {
	f, err := header(head)
	if err != nil {
		return 0, err
	}
	return f.stated, nil
}

// Open reads the header and the schema of a database of size bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, headerBytes)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, &Error{Reason: "the header cannot be read", Err: err}
	}
	f, err := header(head[:n])
	if err != nil {
		return nil, err
	}
	if size < f.stated {
		return nil, &Error{Reason: fmt.Sprintf("the file has %d bytes and states that it has %d: it is cut off", size, f.stated)}
	}
	f.r, f.pages = r, size/f.page
	return f, f.schema()
}

// header reads what begins a database; the file's content is still to be set.
func header(head []byte) (*File, error) {
	switch {
	case !bytes.HasPrefix(head, []byte(Magic)):
		return nil, &Error{Reason: "it is no SQLite database"}
	case len(head) < headerBytes:
		return nil, &Error{Reason: "the header is cut off"}
	}
	f := &File{page: int64(binary.BigEndian.Uint16(head[16:])), tables: map[string]*Table{}}
	if f.page == 1 {
		f.page = 65536
	}
	f.usable = f.page - int64(head[20])
	switch {
	case f.page < 512 || f.page&(f.page-1) != 0 || f.usable < 480:
		return nil, &Error{Reason: fmt.Sprintf("a page of %d bytes is none", f.page)}
	case head[18] > 2:
		return nil, &Error{Reason: fmt.Sprintf("its format version %d is not known", head[18])}
	}
	// The count of pages is valid if the version that wrote it was the last to write.
	if bytes.Equal(head[24:28], head[92:96]) {
		f.stated = int64(binary.BigEndian.Uint32(head[28:])) * f.page
	}
	switch encoding := binary.BigEndian.Uint32(head[56:]); encoding {
	case 0, 1:
	case 2:
		f.wide, f.order = true, binary.LittleEndian
	case 3:
		f.wide, f.order = true, binary.BigEndian
	default:
		return nil, &Error{Reason: fmt.Sprintf("its text encoding %d is not known", encoding)}
	}
	return f, nil
}

// Table is the table of that name, nil when there is none.
func (f *File) Table(name string) *Table { return f.tables[name] }

// schema reads the list of tables, which is itself a table, rooted in the first page.
func (f *File) schema() error {
	master := &Table{Name: "sqlite_schema", Columns: []string{"type", "name", "tbl_name", "rootpage", "sql"}, file: f, root: 1, alias: -1}
	return master.Rows([]int{0, 1, 3, 4}, func(_ int64, v []Value) error {
		if v[0].String() != "table" || v[2].Int <= 0 {
			return nil
		}
		if len(f.tables) >= maxTables {
			return &Error{Reason: "it has too many tables"}
		}
		t := &Table{Name: v[1].String(), file: f, root: v[2].Int}
		t.define(v[3].String())
		f.tables[t.Name] = t
		return nil
	})
}

// read reads one page.
func (f *File) read(n int64, into []byte) error {
	if n < 1 || n > f.pages {
		return &Error{Page: uint32(n), Reason: "a page lies behind the end of the file: the file is cut off or damaged"}
	}
	if _, err := f.r.ReadAt(into[:f.page], (n-1)*f.page); err != nil {
		return &Error{Page: uint32(n), Reason: "a page cannot be read", Err: err}
	}
	return nil
}
