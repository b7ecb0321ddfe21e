package cupti

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// The recordings are read here by themselves, from what record.py says of their
// layout, so that the shim and the decoder are compared with something else.

type recordedOp struct {
	kind        timeline.OpKind
	name        string
	bytes, ns   int64
	copy        uint8
	from, to    uint8
	stream      uint32
	graph       bool
	correlation uint32
}

type recordedCall struct {
	name        string
	start, ns   int64
	correlation uint32
}

type recording struct {
	ops   []recordedOp
	calls []recordedCall
}

func readRecording(t testing.TB, path string) recording {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	next := func() uint32 {
		v := le.Uint32(b)
		b = b[4:]
		return v
	}
	b = b[24:]
	texts := make([]string, next())
	for i := range texts {
		n := next()
		texts[i], b = string(b[:n]), b[n:]
	}
	names := map[[2]uint32]string{}
	for range next() {
		domain, cbid := next(), next()
		names[[2]uint32{domain, cbid}] = texts[next()]
	}
	var out recording
	for range next() {
		n := next()
		r := b[:n]
		b = b[n:]
		i64 := func(at int) int64 { return int64(le.Uint64(r[at:])) }
		switch kind := le.Uint32(r); kind {
		case 10:
			out.ops = append(out.ops, recordedOp{kind: timeline.OpKernel, name: cleanName(texts[i64(104)-1]), ns: i64(24) - i64(16),
				stream: le.Uint32(r[48:]), graph: i64(144) != 0, correlation: le.Uint32(r[92:])})
		case 1:
			out.ops = append(out.ops, recordedOp{kind: timeline.OpMemcpy, bytes: i64(8), ns: i64(24) - i64(16), copy: r[4], from: r[5],
				to: r[6], stream: le.Uint32(r[40:]), correlation: le.Uint32(r[44:])})
		case 4, 5:
			domain := map[uint32]uint32{4: 1, 5: 2}[kind]
			out.calls = append(out.calls, recordedCall{name: names[[2]uint32{domain, le.Uint32(r[4:])}], start: i64(8),
				ns: i64(16) - i64(8), correlation: le.Uint32(r[32:])})
		}
	}
	return out
}

// wanted are the calls of the recordings that are not noise.
func wanted(name string) bool {
	for _, prefix := range []string{"cudaLaunch", "cuLaunch", "cudaMemcpy", "cudaGraphLaunch", "cudaEventRecord", "cudaStreamWaitEvent",
		"cudaDeviceSynchronize", "cudaStreamSynchronize"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// about is what record.py wrote beside the recordings.
type about struct {
	Recordings map[string]struct {
		Records  map[string]int `json:"records"`
		Profiler map[string]int `json:"torch.profiler"`
	} `json:"recordings"`
}

func readAbout(t testing.TB) about {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(recordings, "about.json"))
	if err != nil {
		t.Fatal(err)
	}
	var a about
	if err := json.Unmarshal(content, &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Recordings) < 5 {
		t.Fatalf("%d recordings", len(a.Recordings))
	}
	return a
}
