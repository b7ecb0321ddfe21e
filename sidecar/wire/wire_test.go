package wire

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden vectors")

func messageNames() []string {
	var names []string
	for name := range messages {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// fill sets every field to a value that depends only on the order of the fields.
// tests/seam/test_wire.py has the same rule, so that both languages must agree on
// the meaning of the bytes and not just on the bytes.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		// The widths of msgpack's integers take turns, and the signs.
		value := int64(1) << (uint(*n*7) % 62)
		if *n%2 == 0 {
			value = -value
		}
		v.SetInt(value)
	case reflect.Float64:
		v.SetFloat(float64(*n) / 8)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d <é☃𝄞>", *n))
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(bytes.Repeat([]byte{byte(*n)}, *n*40))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"b", "a"} {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value, n)
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic(v.Type().String())
	}
}

func filled(name string) Message {
	v := reflect.New(messages[name])
	n := 0
	fill(v.Elem(), &n)
	return v.Interface()
}

func decode(frame []byte) (Message, uint64, error) {
	e, err := Open(frame)
	if err != nil {
		return nil, 0, err
	}
	m, err := e.Decode()
	return m, e.Seq, err
}

func TestGoldenVectors(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range messageNames() {
		for kind, m := range map[string]Message{"full": filled(name), "empty": reflect.New(messages[name]).Interface()} {
			file := filepath.Join("testdata", name+"."+kind+".msgpack")
			seen[file] = true
			seq := uint64(300)
			if kind == "empty" {
				seq = 0
			}
			got, err := Encode(m, seq)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the encoding differs from the golden vector (go test -update rewrites it)", file)
			}
			back, gotSeq, err := decode(want)
			if err != nil || gotSeq != seq {
				t.Fatalf("%s: decode: seq %d, %v", file, gotSeq, err)
			}
			again, err := Encode(back, seq)
			if err != nil || !bytes.Equal(again, want) {
				t.Errorf("%s: decoding and encoding again changes it: %v", file, err)
			}
			if kind == "full" && !reflect.DeepEqual(back, m) {
				t.Errorf("%s: decoded %+v, want %+v", file, back, m)
			}
		}
	}
	files, err := filepath.Glob("testdata/*.msgpack")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file] {
			t.Errorf("%s belongs to no message", file)
		}
	}
}

// TestNilCollectionsTravelEmpty: Python has no nil to receive.
func TestNilCollectionsTravelEmpty(t *testing.T) {
	frame, err := Encode(Events{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.IndexByte(frame, 0xc0) >= 0 {
		t.Errorf("a nil in % x", frame)
	}
	type inner struct {
		Names []string         `msgpack:"names"`
		Map   map[string]int64 `msgpack:"map"`
	}
	if _, err := Encode(inner{}, 0); err == nil {
		t.Error("a struct that is no message was encoded")
	}
}

func TestEncodeReplacesInvalidText(t *testing.T) {
	frame, err := Encode(Cancel{CellID: "a\xff\xfeb"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.(*Cancel).CellID; got != "a\uFFFDb" {
		t.Errorf("got %q", got)
	}
}

func TestEncodeRefusesTooLarge(t *testing.T) {
	if _, err := Encode(Report{HTML: strings.Repeat("x", MaxFrame)}, 1); err == nil {
		t.Error("a report larger than a frame was encoded")
	}
	if _, err := Open(make([]byte, MaxFrame+1)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a frame larger than the limit: %v", err)
	}
}

func TestVersionIsSeenWhateverFollows(t *testing.T) {
	for _, frame := range [][]byte{
		{0x94, 0x02, 0xa5, 'H', 'e', 'l', 'l', 'o', 0x01, 0x80},
		{0x91, 0x02},
		{0x92, 0xcd, 0x01, 0x00, 0xc7, 0xff},
	} {
		var version *VersionError
		if _, err := Open(frame); !errors.As(err, &version) {
			t.Errorf("% x: %v, want a VersionError", frame, err)
		}
	}
}

// body puts a message's body into an envelope.
func body(name string, b ...byte) []byte {
	frame := append([]byte{0x94, Version, 0xa0 | byte(len(name))}, name...)
	return append(append(frame, 0x01), b...)
}

func TestHostileBytes(t *testing.T) {
	cancel := func(b ...byte) []byte { return body("Cancel", b...) }
	key := append([]byte{0xa7}, "cell_id"...)
	with := func(b ...byte) []byte { return cancel(append(append([]byte{0x81}, key...), b...)...) }
	deep := bytes.Repeat([]byte{0x91}, 1<<20)
	deepMap := bytes.Repeat([]byte{0x81, 0xa1, 'a'}, 1<<20)
	manyStrings := append([]byte{0xdd, 0x00, 0x10, 0x00, 0x00}, bytes.Repeat([]byte{0xa0}, 1<<20)...)
	// Events whose first field says "cell_id" and whose second is a list of 2^20 empty strings.
	strings20 := append([]byte{0x89, 0xa7}, "cell_id"...)
	strings20 = append(strings20, 0xa0, 0xa7)
	strings20 = append(append(strings20, "strings"...), manyStrings...)

	cases := map[string][]byte{
		"nothing":                       {},
		"one byte":                      {0x94},
		"gigabyte array in five bytes":  {0xdd, 0x7f, 0xff, 0xff, 0xff},
		"gigabyte map in five bytes":    {0xdf, 0x7f, 0xff, 0xff, 0xff},
		"gigabyte string in five bytes": {0xdb, 0x7f, 0xff, 0xff, 0xff},
		"gigabyte binary in five bytes": {0xc6, 0x7f, 0xff, 0xff, 0xff},
		"gigabyte type":                 {0x94, Version, 0xdb, 0x7f, 0xff, 0xff, 0xff},
		"gigabyte body array":           with(0xdd, 0x7f, 0xff, 0xff, 0xff),
		"gigabyte body map":             cancel(0xdf, 0x7f, 0xff, 0xff, 0xff),
		"gigabyte body string":          with(0xdb, 0xff, 0xff, 0xff, 0xff),
		"gigabyte body binary":          with(0xc6, 0xff, 0xff, 0xff, 0xff),
		"a million arrays deep":         deep,
		"a million arrays deep, body":   with(deep...),
		"a million maps deep, body":     cancel(deepMap...),
		"more values than allowed":      body("Events", strings20...),
		"nil body":                      cancel(0xc0),
		"nil field":                     with(0xc0),
		"array body":                    cancel(0x91, 0xa0),
		"number for a string":           with(0x01),
		"binary for a string":           with(0xc4, 0x01, 'a'),
		"string that is not UTF-8":      with(0xa2, 0xc3, 0x28),
		"extension":                     with(0xc7, 0x01, 0x01, 0x00),
		"the unused byte":               with(0xc1),
		"field missing":                 cancel(0x80),
		"field unknown":                 cancel(0x81, 0xa1, 'x', 0xa0),
		"field twice":                   cancel(append(append(append([]byte{0x82}, key...), append([]byte{0xa0}, key...)...), 0xa0)...),
		"field name is a number":        cancel(0x81, 0x01, 0xa0),
		"bytes after the message":       append(with(0xa0), 0x00),
		"ends in a field":               with(0xa5, 'a'),
		"unknown message":               body("Nonsense", 0x80),
		"inner struct as a message":     body("Loss", 0x80),
		"envelope too short":            {0x93, Version, 0xa3, 'B', 'y', 'e', 0x01},
		"envelope too long":             append(append([]byte{0x95, Version, 0xa3}, "Bye"...), 0x01, 0x80, 0x80),
		"negative sequence":             append(append([]byte{0x94, Version, 0xa3}, "Bye"...), 0xff, 0x80),
		"version is text":               {0x94, 0xa1, '1', 0xa3, 'B', 'y', 'e', 0x01, 0x80},
		"envelope is a map":             {0x81, 0xa1, 't', 0xa1, 'x'},
	}
	for name, frame := range cases {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, _, err := decode(frame)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("decoded %#v, error %v", m, err)
			}
			// The guard allocates nothing for what it walks; only the error.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
				t.Errorf("allocated %d bytes", grown)
			}
		})
	}
	if _, _, err := decode(with(0xa3, 'a', 'b', 'c')); err != nil {
		t.Errorf("the honest one of this table: %v", err)
	}
}

func TestIntegerRanges(t *testing.T) {
	int32s := &schema{kind: kindInt, bits: 32}
	int64s := &schema{kind: kindInt, bits: 64}
	uint8s := &schema{kind: kindUint, bits: 8}
	uint64s := &schema{kind: kindUint, bits: 64}
	max64 := []byte{0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	min64 := []byte{0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0}
	for _, c := range []struct {
		s    *schema
		b    []byte
		want bool
	}{
		{int64s, max64, false}, {uint64s, max64, true}, {int64s, min64, true}, {uint64s, min64, false},
		{int32s, []byte{0xce, 0x7f, 0xff, 0xff, 0xff}, true}, {int32s, []byte{0xce, 0x80, 0, 0, 0}, false},
		{int32s, []byte{0xd2, 0x80, 0, 0, 0}, true}, {int32s, min64, false},
		{uint8s, []byte{0xcd, 0x00, 0xff}, true}, {uint8s, []byte{0xcd, 0x01, 0x00}, false},
		{uint8s, []byte{0xff}, false}, {uint8s, []byte{0xd0, 0x05}, true}, {int32s, []byte{0xff}, true},
		{int64s, []byte{0xcb, 0, 0, 0, 0, 0, 0, 0, 0}, false}, {int64s, []byte{0xc3}, false},
	} {
		g := guard{data: c.b}
		if err := g.check(c.s, ""); (err == nil) != c.want {
			t.Errorf("% x as %d bits of kind %d: %v", c.b, c.s.bits, c.s.kind, err)
		}
	}
	if math.MaxUint64>>(65-64) != math.MaxInt64 {
		t.Error("the bound of a signed number")
	}
}

func TestEveryErrorIsASentenceWithAPlace(t *testing.T) {
	events, err := Encode(Events{Lines: []LineColumns{{Time: []byte("x")}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The binary "x" becomes the string "x".
	broken := bytes.Replace(events, []byte{0xc4, 1, 'x'}, []byte{0xa2, 1, 'x'}, 1)
	_, _, err = decode(broken)
	if err == nil || !strings.Contains(err.Error(), "Events.lines.time: want binary, got string") {
		t.Errorf("got %v", err)
	}
}
