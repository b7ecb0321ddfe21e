package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func content(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "nsys", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte) (*File, error) {
	t.Helper()
	return Open(bytes.NewReader(b), int64(len(b)))
}

func TestRows(t *testing.T) {
	f, err := open(t, content(t, "old.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	kernels := f.Table("CUPTI_ACTIVITY_KIND_KERNEL")
	if !slices.Equal(kernels.Columns, []string{"start", "end", "deviceId", "streamId", "correlationId", "shortName"}) {
		t.Fatalf("columns %q", kernels.Columns)
	}
	n := int64(0)
	err = kernels.Rows([]int{kernels.Column("END"), -1, kernels.Column("start")}, func(rowid int64, v []Value) error {
		if v[2].Kind != Integer || v[2].Int != 1000*n || v[0].Int != 1000*n+900 || v[1].Kind != Null || rowid != n+1 {
			t.Fatalf("row %d: %+v", rowid, v)
		}
		n++
		return nil
	})
	if err != nil || n != 400 {
		t.Errorf("%d rows, %v", n, err)
	}
	var texts []string
	names := f.Table("StringIds")
	err = names.Rows([]int{0, 1}, func(_ int64, v []Value) error {
		if v[0].Int != int64(len(texts)+1) { // the row's number stands for the column
			t.Errorf("id %+v", v[0])
		}
		texts = append(texts, v[1].String())
		return nil
	})
	want := []string{"kernel é😀", "cudaLaunchKernel", strings.Repeat("x", 9000)}
	for i := range 12 {
		want = append(want, strings.Repeat(string(rune('a'+i)), 230+23*i))
	}
	if err != nil || !slices.Equal(texts, want) {
		t.Errorf("%d texts, %v", len(texts), err)
	}
	stop := errors.New("stop")
	if err := kernels.Rows(nil, func(int64, []Value) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if f.Table("everything") != nil || f.Table("absent") != nil {
		t.Error("there are tables that are none")
	}
}

func TestDefinitions(t *testing.T) {
	for sql, want := range map[string]struct {
		columns string
		alias   int
		strange bool
	}{
		"CREATE TABLE t (a INTEGER, b TEXT)":                                                             {"a b", -1, false},
		"CREATE TABLE t(a INTEGER PRIMARY KEY,b)":                                                        {"a b", 0, false},
		"CREATE TABLE t(a integer not null primary key asc, b)":                                          {"a b", 0, false},
		"CREATE TABLE t(a INTEGER PRIMARY KEY DESC, b)":                                                  {"a b", -1, false},
		"CREATE TABLE t(a INT PRIMARY KEY, b)":                                                           {"a b", -1, false},
		"CREATE TABLE t(a TEXT, b INTEGER, PRIMARY KEY (b))":                                             {"a b", 1, false},
		"CREATE TABLE t(a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID":                         {"a b", -1, true},
		"CREATE TABLE t(\"a \"\"b\" TEXT, [c d] TEXT, `e` TEXT, 'f' TEXT)":                               {`a "b|c d|e|f`, -1, false},
		"CREATE TABLE t(a DECIMAL(10,2) DEFAULT (1,2), -- a, b\n b TEXT /* , c */, UNIQUE (a, b))":       {"a b", -1, false},
		"CREATE TABLE t(a CHECK (a IN (1,2)), CONSTRAINT c CHECK (a > 0), FOREIGN KEY (a) REFERENCES b)": {"a", -1, false},
		"CREATE TABLE t": {"", -1, false}, "": {"", -1, false}, "CREATE TABLE t(": {"", -1, false}, "((((": {"", -1, false}, "(\"": {"", -1, false}, "(a -- ": {"", -1, false}, "(/*": {"", -1, false},
	} {
		table := &Table{}
		table.define(sql)
		separator := " "
		if strings.Contains(want.columns, "|") {
			separator = "|"
		}
		if strings.Join(table.Columns, separator) != want.columns || table.alias != want.alias || table.strange != want.strange {
			t.Errorf("%s: %q, row number %d, strange %v", sql, table.Columns, table.alias, table.strange)
		}
	}
	if err := (&Table{strange: true}).Rows(nil, nil); err == nil {
		t.Error("a table without row numbers is read")
	}
}

func TestVarints(t *testing.T) {
	for text, want := range map[string]struct {
		value int64
		n     int
	}{
		"\x00": {0, 1}, "\x7f": {127, 1}, "\x81\x00": {128, 2}, "\xff\xff\xff\xff\xff\xff\xff\xff\xff": {-1, 9}, "\x80\x80\x80\x80\x80\x80\x80\x80\x05rest": {5, 9},
		"": {0, 0}, "\x80": {0, 0}, "\xff\xff\xff\xff\xff\xff\xff\xff": {0, 0},
	} {
		if value, n := varint([]byte(text)); value != want.value || n != want.n {
			t.Errorf("%x: %d in %d bytes", text, value, n)
		}
	}
}

// Damage is an error that names the page, and no loop of pages is followed for ever.
func TestDamage(t *testing.T) {
	good := content(t, "old.sqlite")
	root := func(f *File) int64 { return f.Table("CUPTI_ACTIVITY_KIND_KERNEL").root }
	f, err := open(t, good)
	if err != nil {
		t.Fatal(err)
	}
	page := int((root(f) - 1) * f.page)
	damaged := func(at int, with ...byte) []byte {
		b := slices.Clone(good)
		copy(b[at:], with)
		return b
	}
	self := binary.BigEndian.AppendUint32(nil, uint32(root(f)))
	if good[page] != interiorPage {
		t.Fatal("the table's tree has one page")
	}
	child := int(binary.BigEndian.Uint32(good[page+int(binary.BigEndian.Uint16(good[page+12:])):])-1) * int(f.page)
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"no magic":                {damaged(0, 'X'), "it is no SQLite database"},
		"a page size":             {damaged(16, 0, 3), "a page of 3 bytes is none"},
		"the reserved bytes":      {damaged(20, 255), "a page of 512 bytes is none"},
		"an encoding":             {damaged(56, 0, 0, 0, 9), "text encoding 9"},
		"a format version":        {damaged(18, 9), "format version 9"},
		"the schema's kind":       {damaged(100, 0x0a), "not one of a table"},
		"a table's kind":          {damaged(page, 0x02), "not one of a table"},
		"too many rows":           {damaged(page+3, 0xff, 0xff), "more rows than fit"},
		"a row outside":           {damaged(page+12, 0xff, 0xff), "lies outside"},
		"a loop":                  {damaged(page+8, self...), "loop"},
		"a child behind the end":  {damaged(page+8, 0x7f, 0xff, 0xff, 0xff), "behind the end"},
		"the first child":         {damaged(page+8, 0, 0, 0, 0), "behind the end"},
		"a row longer than it is": {damaged(child+int(binary.BigEndian.Uint16(good[child+8:])), 0x7f), "beyond"},
		"a header that is none":   {damaged(child+int(binary.BigEndian.Uint16(good[child+8:]))+2, 0x7f), "header is cut off"},
	} {
		f, err := open(t, c.content)
		if err == nil {
			table := f.Table("CUPTI_ACTIVITY_KIND_KERNEL")
			err = table.Rows([]int{0, 1, 5}, func(int64, []Value) error { return nil })
		}
		var told *Error
		if !errors.As(err, &told) || !strings.Contains(told.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(content(f, "old.sqlite"))
	f.Add(content(f, "recent.sqlite"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := open(t, b)
		if err != nil {
			return
		}
		for _, table := range file.tables {
			rows := 0
			table.Rows([]int{0, 1, 2, 3}, func(int64, []Value) error {
				if rows++; rows > 10_000 {
					return errors.New("enough")
				}
				return nil
			})
		}
	})
}
