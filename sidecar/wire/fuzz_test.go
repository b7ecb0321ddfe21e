package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func addGolden(f *testing.F, add func(frame []byte)) {
	files, err := filepath.Glob("testdata/*.msgpack")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden vectors: %v", err)
	}
	for _, file := range files {
		frame, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		add(frame)
	}
}

// checkDecoded: what is accepted survives another round.
func checkDecoded(t *testing.T, e Envelope) {
	m, err := e.Decode()
	if err != nil {
		return
	}
	once, err := Encode(m, e.Seq)
	if err != nil {
		t.Fatalf("%s was decoded and cannot be encoded: %v", e.Type, err)
	}
	back, seq, err := decode(once)
	if err != nil || seq != e.Seq {
		t.Fatalf("%s was encoded and cannot be decoded: %v", e.Type, err)
	}
	twice, err := Encode(back, seq)
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%s changes from one round to the next: %v", e.Type, err)
	}
}

// FuzzFrame gives arbitrary bytes to the whole decoder.
func FuzzFrame(f *testing.F) {
	addGolden(f, func(frame []byte) { f.Add(frame) })
	f.Add([]byte{0xdd, 0x7f, 0xff, 0xff, 0xff})
	f.Add(bytes.Repeat([]byte{0x91}, 1000))
	f.Fuzz(func(t *testing.T, frame []byte) {
		e, err := Open(frame)
		if err != nil {
			return
		}
		checkDecoded(t, e)
	})
}

// FuzzMessage gives arbitrary bodies to each message in turn.
func FuzzMessage(f *testing.F) {
	names := messageNames()
	index := map[string]uint8{}
	for i, name := range names {
		index[name] = uint8(i)
	}
	addGolden(f, func(frame []byte) {
		e, err := Open(frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(index[e.Type], e.Body)
	})
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		checkDecoded(t, Envelope{Type: names[int(which)%len(names)], Seq: 1, Body: body})
	})
}

// FuzzGuard: what the guard accepts the library decodes without an error, for
// every message; the guard never reads beyond the end.
func FuzzGuard(f *testing.F) {
	addGolden(f, func(frame []byte) { f.Add(frame) })
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range messageNames() {
			g := guard{data: data}
			err := g.check(schemaOf(messages[name]), name)
			if g.off > len(data) {
				t.Fatalf("%s: read %d of %d bytes", name, g.off, len(data))
			}
			if err != nil || g.off != len(data) {
				continue
			}
			if _, err := (Envelope{Type: name, Body: data}).Decode(); err != nil {
				t.Fatalf("%s: the guard accepts what the decoder does not: %v", name, err)
			}
		}
	})
}
