package sqlite

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the type of a value.
type Kind uint8

// The types that a value may have, whatever its column declares.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
)

// Value is one value of a row.
type Value struct {
	Kind Kind
	// Int is an integer's value, and that of a real number without its decimals.
	Int int64
	// Bytes are those of a text, as UTF-8, or of a blob. They hold until the next row.
	Bytes []byte
}

// String is a text, empty for any other value.
func (v Value) String() string {
	if v.Kind != Text {
		return ""
	}
	return string(v.Bytes)
}

// Table is one table.
type Table struct {
	Name string
	// Columns are the names of its columns, in their order.
	Columns  []string
	file     *File
	root     int64
	alias    int   // the column that is the row's number, -1 for none
	strange  bool  // it is declared WITHOUT ROWID
	integers []int // columns of type INTEGER
}

// Column is the place of a column, -1 when there is none of that name, whatever its case.
func (t *Table) Column(name string) int {
	for i, c := range t.Columns {
		if strings.EqualFold(c, name) {
			return i
		}
	}
	return -1
}

// walk is the reading of one table.
type walk struct {
	t       *Table
	wanted  []int
	each    func(rowid int64, v []Value) error
	values  []Value
	visited int64
	row     int64
	payload []byte
	page    []byte // for pages of payload that overflows
	wide    []byte
	levels  [maxDepth][]byte
}

// Rows calls each with the wanted columns of every row, given by their places; of a
// place below 0 the value is Null. The values hold until each returns. An error of
// each ends it and is returned; what breaks the format is an *Error.
func (t *Table) Rows(wanted []int, each func(rowid int64, v []Value) error) error {
	if t.strange {
		return &Error{Table: t.Name, Reason: "the table has no row numbers, which is not supported"}
	}
	w := &walk{t: t, wanted: wanted, each: each, values: make([]Value, len(wanted)), page: make([]byte, t.file.page)}
	err := w.tree(t.root, 0)
	var broken *Error
	if errors.As(err, &broken) && broken.Table == "" {
		broken.Table, broken.Row = t.Name, w.row+1
	}
	return err
}

// tree walks the pages below one page.
func (w *walk) tree(number int64, depth int) error {
	f := w.t.file
	fail := func(reason string) error { return &Error{Page: uint32(number), Reason: reason} }
	if depth == maxDepth {
		return fail("the tree of pages is too deep")
	}
	if w.visited++; w.visited > f.pages {
		return fail("the pages of the table form a loop")
	}
	if w.levels[depth] == nil {
		w.levels[depth] = make([]byte, f.page)
	}
	page := w.levels[depth]
	if err := f.read(number, page); err != nil {
		return err
	}
	header := 0
	if number == 1 {
		header = headerBytes
	}
	kind := page[header]
	cells := int(binary.BigEndian.Uint16(page[header+3:]))
	pointers := header + 8
	if kind == interiorPage {
		pointers = header + 12
	}
	if kind != leafPage && kind != interiorPage {
		return fail("the page is not one of a table")
	}
	if int64(pointers+2*cells) > f.usable {
		return fail("the page has more rows than fit into it")
	}
	for i := range cells {
		at := int64(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if at < int64(pointers) || at+4 > f.usable {
			return fail("a row lies outside of its page")
		}
		if kind == interiorPage {
			if err := w.tree(int64(binary.BigEndian.Uint32(page[at:])), depth+1); err != nil {
				return err
			}
			continue
		}
		if err := w.cell(page[at:f.usable], number); err != nil {
			return err
		}
		w.row++
	}
	if kind == interiorPage {
		return w.tree(int64(binary.BigEndian.Uint32(page[header+8:])), depth+1)
	}
	return nil
}

const (
	interiorPage = 0x05
	leafPage     = 0x0d
)

// cell reads one row.
func (w *walk) cell(b []byte, number int64) error {
	fail := func(reason string) error { return &Error{Page: uint32(number), Reason: reason} }
	size, n := varint(b)
	if n == 0 || size < 0 {
		return fail("the row's length is none")
	}
	rowid, m := varint(b[n:])
	if m == 0 {
		return fail("the row's number is cut off")
	}
	b = b[n+m:]
	// As much as the format says lies in the page, the rest in a chain of others.
	u := w.t.file.usable
	local := size
	if most := u - 35; size > most {
		least := (u-12)*32/255 - 23
		if local = least + (size-least)%(u-4); local > most {
			local = least
		}
	}
	if local > int64(len(b)) {
		return fail("the row reaches beyond its page")
	}
	payload := b[:local]
	if local < size {
		if int64(len(b)) < local+4 {
			return fail("the row reaches beyond its page")
		}
		var err error
		if payload, err = w.overflow(payload, int64(binary.BigEndian.Uint32(b[local:])), size); err != nil {
			return err
		}
	}
	if reason := w.record(payload, rowid, int64(len(payload)) < size); reason != "" {
		return fail(reason)
	}
	return w.each(rowid, w.values)
}

// overflow puts a payload together from its chain of pages, up to maxPayload.
func (w *walk) overflow(local []byte, next, size int64) ([]byte, error) {
	f := w.t.file
	out := append(w.payload[:0], local...)
	size = min(size, maxPayload)
	for int64(len(out)) < size {
		if err := f.read(next, w.page); err != nil {
			return nil, err
		}
		next = int64(binary.BigEndian.Uint32(w.page))
		out = append(out, w.page[4:min(f.usable, 4+size-int64(len(out)))]...)
	}
	w.payload = out
	return out, nil
}

// record decodes the wanted columns of a row; it returns what is wrong, or nothing.
// Of a row that was cut, what lies behind the cut is Null, but for a text that begins before it.
func (w *walk) record(b []byte, rowid int64, cut bool) string {
	for i := range w.values {
		w.values[i] = Value{}
	}
	headerSize, n := varint(b)
	if n == 0 || headerSize < int64(n) || headerSize > int64(len(b)) {
		return "the row's header is cut off"
	}
	header, body := b[n:headerSize], b[headerSize:]
	w.wide = w.wide[:0]
	for column := 0; len(header) > 0; column++ {
		serial, n := varint(header)
		if n == 0 || serial < 0 {
			return "the row's header is damaged"
		}
		header = header[n:]
		size := serialSize(serial)
		if size > int64(len(body)) {
			if !cut {
				return "a value reaches beyond its row"
			}
			if serial < 12 {
				return ""
			}
			size = int64(len(body))
		}
		for i, place := range w.wanted {
			if place == column {
				w.values[i] = w.value(serial, body[:size])
				if column == w.t.alias && w.values[i].Kind == Null {
					w.values[i] = Value{Kind: Integer, Int: rowid}
				}
			}
		}
		body = body[size:]
	}
	return ""
}

// serialSize is how many bytes a value of this serial type takes.
func serialSize(serial int64) int64 {
	switch {
	case serial >= 12:
		return (serial - 12) / 2
	case serial <= 4:
		return serial
	case serial == 5:
		return 6
	case serial <= 7:
		return 8
	}
	return 0
}

func (w *walk) value(serial int64, b []byte) Value {
	switch {
	case serial == 7:
		real := math.Float64frombits(binary.BigEndian.Uint64(b))
		v := Value{Kind: Real}
		if math.Abs(real) < 1<<62 {
			v.Int = int64(real)
		}
		return v
	case serial >= 1 && serial <= 6:
		n := int64(int8(b[0]))
		for _, c := range b[1:] {
			n = n<<8 | int64(c)
		}
		return Value{Kind: Integer, Int: n}
	case serial == 8, serial == 9:
		return Value{Kind: Integer, Int: serial - 8}
	case serial >= 12 && serial%2 == 0:
		return Value{Kind: Blob, Bytes: b}
	case serial >= 13:
		if w.t.file.wide {
			b = w.narrow(b)
		}
		return Value{Kind: Text, Bytes: b}
	}
	return Value{}
}

// narrow makes UTF-8 of UTF-16, in memory that lasts for the row.
func (w *walk) narrow(b []byte) []byte {
	from := len(w.wide)
	for i := 0; i+1 < len(b); i += 2 {
		r := rune(w.t.file.order.Uint16(b[i:]))
		if utf16.IsSurrogate(r) && i+3 < len(b) {
			if pair := utf16.DecodeRune(r, rune(w.t.file.order.Uint16(b[i+2:]))); pair != utf8.RuneError {
				r = pair
				i += 2
			}
		}
		w.wide = utf8.AppendRune(w.wide, r)
	}
	return w.wide[from:]
}

// varint is a number of one to nine bytes, most significant first; n is 0 when it is cut off.
func varint(b []byte) (value int64, n int) {
	var u uint64
	for i := range min(len(b), 9) {
		if i == 8 {
			return int64(u<<8 | uint64(b[i])), 9
		}
		u = u<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(u), i + 1
		}
	}
	return 0, 0
}
