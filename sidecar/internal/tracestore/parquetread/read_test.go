package parquetread

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

type row struct {
	Delta64 int64   `parquet:"delta64,delta"`
	Delta32 int32   `parquet:"delta32,delta"`
	Unsigne uint32  `parquet:"unsigned,delta"`
	Plain   int64   `parquet:"plain,plain"`
	Dict64  int64   `parquet:"dict64,dict"`
	Dict32  int32   `parquet:"dict32,dict"`
	Flag    bool    `parquet:"flag"`
	Value   float64 `parquet:"value"`
	Word    string  `parquet:"word,dict"`
	Text    string  `parquet:"text,plain"`
}

// randomRows are rows with every width of differences, runs and jumps.
func randomRows(rng *rand.Rand, n int) []row {
	rows := make([]row, n)
	var last int64
	for i := range rows {
		width := rng.IntN(64)
		last += rng.Int64() >> width
		word := fmt.Sprint("w", rng.IntN(1+n/3))
		if rng.IntN(3) == 0 {
			word = "often"
		}
		rows[i] = row{last, int32(rng.Uint32()) >> rng.IntN(32), rng.Uint32() >> rng.IntN(32), rng.Int64(), rng.Int64N(50) - 25,
			rng.Int32N(9) - 4, rng.IntN(2) == 0, rng.NormFloat64(), word, fmt.Sprint(rng.IntN(1000), "é")}
	}
	return rows
}

// written is a file with the rows, as the trace store's writer makes them.
func written[T any](tb testing.TB, rows []T, codec compress.Codec, dictionary int64) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[T](&out, parquet.Compression(codec), parquet.DataPageVersion(1), parquet.MaxRowsPerRowGroup(5000),
		parquet.PageBufferSize(4<<10), parquet.DictionaryMaxBytes(dictionary), parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain))
	if _, err := w.Write(rows); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryEncodingComesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for _, n := range []int{0, 1, 2, 31, 33, 128, 129, 1000, 12_345} {
		for _, codec := range []compress.Codec{&parquet.Uncompressed, &zstd.Codec{}} {
			for _, dictionary := range []int64{1 << 20, 2000} { // the second gives way to plain texts
				rows := randomRows(rng, n)
				data := written(t, rows, codec, dictionary)
				f, err := Read(bytes.NewReader(data), int64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				at := 0
				for g := range f.Groups() {
					compare(t, f, g, rows[at:at+f.Rows(g)])
					at += f.Rows(g)
				}
				if at != n {
					t.Errorf("%d rows of %d", at, n)
				}
			}
		}
	}
}

func compare(t *testing.T, f *File, group int, rows []row) {
	t.Helper()
	column := func(name string) *Column {
		c, err := f.Column(group, name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ints := map[string]func(*row) int64{
		"delta64": func(r *row) int64 { return r.Delta64 }, "delta32": func(r *row) int64 { return int64(r.Delta32) },
		"unsigned": func(r *row) int64 { return int64(int32(r.Unsigne)) }, "plain": func(r *row) int64 { return r.Plain },
		"dict64": func(r *row) int64 { return r.Dict64 }, "dict32": func(r *row) int64 { return int64(r.Dict32) },
		"flag": func(r *row) int64 {
			if r.Flag {
				return 1
			}
			return 0
		},
	}
	for name, want := range ints {
		for i, got := range column(name).Ints {
			if got != want(&rows[i]) {
				t.Fatalf("%s row %d of %d: %d, want %d", name, i, len(rows), got, want(&rows[i]))
			}
		}
	}
	value, word, text := column("value"), column("word"), column("text")
	for i := range rows {
		if value.Floats[i] != rows[i].Value || word.Strings[word.Index[i]] != rows[i].Word || text.Strings[text.Index[i]] != rows[i].Text {
			t.Fatalf("row %d: %v %q %q, want %v", i, value.Floats[i], word.Strings[word.Index[i]], text.Strings[text.Index[i]], rows[i])
		}
	}
	if _, err := f.Column(group, "elsewhere"); !errors.Is(err, ErrFormat) {
		t.Errorf("a column that is not there: %v", err)
	}
}

func TestOtherParquetFilesAreRefused(t *testing.T) {
	type nulls struct {
		A *int64 `parquet:"a,optional"`
	}
	type lists struct {
		A []int64 `parquet:"a"`
	}
	one := int64(1)
	for name, data := range map[string][]byte{
		"nulls": written(t, []nulls{{&one}, {nil}}, &parquet.Uncompressed, 1<<20),
		"lists": written(t, []lists{{[]int64{1, 2}}}, &parquet.Uncompressed, 1<<20),
		"empty": {},
		"short": []byte("PAR1PAR1"),
		"text":  bytes.Repeat([]byte("hello, world\n"), 100),
	} {
		if _, err := Read(bytes.NewReader(data), int64(len(data))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	data := written(t, randomRows(rand.New(rand.NewPCG(1, 1)), 100), &parquet.Snappy, 1<<20)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Column(0, "plain"); !errors.Is(err, ErrFormat) {
		t.Errorf("another compression: %v", err)
	}
}

// A length that the bytes do not bear out is refused before anything is made of its size.
func TestLengthsAreNotTrusted(t *testing.T) {
	footer := func(body ...byte) []byte {
		out := append([]byte("PAR1...."), body...)
		return append(binary.LittleEndian.AppendUint32(out, uint32(len(body))), "PAR1"...)
	}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x07}
	for name, data := range map[string][]byte{
		"a list of 2^31 row groups": footer(append([]byte{0x49, 0xfc}, huge...)...),
		"a list of 2^31 columns":    footer(append([]byte{0x49, 0x1c, 0x19, 0xfc}, huge...)...),
		"a name of 2^31 bytes":      footer(append([]byte{0x29, 0x1c, 0x48}, huge...)...),
		"endless nesting":           footer(bytes.Repeat([]byte{0x5c}, 10_000)...),
	} {
		if _, err := Read(bytes.NewReader(data), int64(len(data))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var c Column
	c.kind = typeInt64
	header := append(binary.AppendUvarint(nil, 128), 4)
	header = binary.AppendUvarint(header, math.MaxInt32)
	if _, err := deltas(append(header, 0), 5, typeInt64, nil); !errors.Is(err, ErrFormat) {
		t.Errorf("2^31 differences in a page of 5: %v", err)
	}
	run := binary.AppendUvarint([]byte{1}, math.MaxUint32<<1)
	if got, err := indexes(append(run, 1), 5, nil); err != nil || len(got) != 5 {
		t.Errorf("a run of 2^32 indexes in a page of 5: %d, %v", len(got), err)
	}
}

// A flipped bit that leaves the page readable is found by its checksum.
func TestDamagedValueIsFound(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(3, 3)), 50)
	data := written(t, rows, &parquet.Uncompressed, 1<<20)
	at := bytes.Index(data, binary.LittleEndian.AppendUint64(nil, uint64(rows[20].Plain)))
	if at < 0 {
		t.Fatal("the value is not in the file")
	}
	data[at] ^= 1
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Column(0, "plain"); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("the error is %v", err)
	}
}

// Every damaged byte is an error or other values of the same number, and never more.
func FuzzRead(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	data := written(f, randomRows(rng, 300), &zstd.Codec{}, 1<<20)
	f.Add(data)
	for range 40 {
		broken := slices.Clone(data)
		for range 1 + rng.IntN(3) {
			broken[rng.IntN(len(broken))] = byte(rng.Uint32())
		}
		f.Add(broken)
	}
	f.Add(written(f, randomRows(rng, 50), &parquet.Uncompressed, 100))
	names := []string{"delta64", "delta32", "unsigned", "plain", "dict64", "dict32", "flag", "value", "word", "text"}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for g := range min(file.Groups(), 4) {
			for _, name := range names {
				c, err := file.Column(g, name)
				if err != nil {
					continue
				}
				if c.rows() != file.Rows(g) {
					t.Fatalf("%d values in %d rows", c.rows(), file.Rows(g))
				}
				for _, i := range c.Index {
					_ = c.Strings[i]
				}
			}
		}
	})
}
