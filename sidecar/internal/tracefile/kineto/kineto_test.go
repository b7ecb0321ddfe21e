package kineto

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

// read imports a trace from text, compressed when zip says so.
func read(t testing.TB, text string, opts importer.Options, zip bool) (*importer.Imported, error) {
	t.Helper()
	content := []byte(text)
	if zip {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(content)
		w.Close()
		content = b.Bytes()
	}
	path := filepath.Join(t.TempDir(), "trace.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := importer.OpenSource(path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if !(Importer{}).Detect(source.Head()) {
		t.Fatalf("%.60q is not detected", text)
	}
	trace, err := Importer{}.Read(context.Background(), source, opts)
	if err == nil {
		if broken := trace.Timeline.Check(); broken != nil {
			t.Errorf("%.60q: %v", text, broken)
		}
	}
	return trace, err
}

// describe is a timeline in words: wall, then operations, calls, ranges and scopes.
func describe(tl *timeline.Timeline) string {
	var b strings.Builder
	name := tl.Names.String
	fmt.Fprintf(&b, "wall %d-%d", tl.Window.Start, tl.Window.End)
	for _, d := range tl.Devices {
		for i := range d.Ops.Start {
			o := &d.Ops
			fmt.Fprintf(&b, "; gpu%d.%d %d-%d ", d.Index, o.Stream[i], o.Start[i], o.End[i])
			switch o.Kind[i] {
			case timeline.OpKernel:
				b.WriteString(name(o.Name[i]))
			case timeline.OpMemcpy:
				fmt.Fprintf(&b, "%s %s->%s %d", o.Copy[i], o.Source[i], o.Target[i], o.Bytes[i])
			case timeline.OpMemset:
				fmt.Fprintf(&b, "set %d", o.Bytes[i])
			}
			fmt.Fprintf(&b, " by %d", o.Call[i])
		}
	}
	for i := range tl.Calls.Start {
		c := &tl.Calls
		fmt.Fprintf(&b, "; call %d-%d %s class %d thread %d", c.Start[i], c.End[i], name(c.Name[i]), c.Class[i], tl.Threads[c.Thread[i]].TID)
	}
	for i := range tl.Threads {
		th := &tl.Threads[i]
		for k := range th.Ranges.Start {
			fmt.Fprintf(&b, "; range %d-%d %s kind %d thread %d", th.Ranges.Start[k], th.Ranges.End[k], name(th.Ranges.Name[k]), th.Ranges.Kind[k], th.TID)
		}
		for k := range th.Scopes.Start {
			fmt.Fprintf(&b, "; scope %d-%d %s depth %d thread %d", th.Scopes.Start[k], th.Scopes.End[k], name(th.Scopes.Name[k]), th.Scopes.Depth[k], th.TID)
		}
	}
	for _, o := range tl.Overheads {
		fmt.Fprintf(&b, "; overhead %d-%d", o.Start, o.End)
	}
	for _, l := range tl.Losses {
		if l.Count > 0 {
			fmt.Fprintf(&b, "; lost %d %s", l.Count, l.Reason)
		}
	}
	return b.String()
}

const kernel = `{"ph":"X","cat":"kernel","name":"k","pid":0,"tid":7,"ts":10,"dur":5,"args":{"device":0,"stream":7,"correlation":3}}`

func list(events ...string) string { return `{"traceEvents":[` + strings.Join(events, ",") + `]}` }

func TestTraces(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an object": {list(kernel), "wall 10000-15000; gpu0.7 10000-15000 k by -1"},
		"a list":    {"[" + kernel + "]", "wall 10000-15000; gpu0.7 10000-15000 k by -1"},
		"spaces, a mark of byte order, keys around": {"\xef\xbb\xbf\n {\"schemaVersion\": 1, \"x\": {\"y\": [1, {\"z\": \"]}\"}]}, \"traceEvents\" : [ " + kernel + " ] , \"s\":\"\\\"\"}\n",
			"wall 10000-15000; gpu0.7 10000-15000 k by -1"},
		"the old spellings": {list(
			`{"ph":"X","cat":"Kernel","name":"k","pid":1,"tid":"stream 9","ts":1,"dur":2,"args":{"correlation":4}}`,
			`{"ph":"X","cat":"Memcpy","name":"Memcpy HtoD (Pageable -> Device)","pid":1,"tid":"stream 9","ts":3,"dur":2,"args":{"device":1,"stream":9,"bytes":64}}`,
			`{"ph":"X","cat":"Memset","name":"Memset (Device)","pid":1,"tid":"stream 9","ts":5,"dur":1,"args":{"bytes":32}}`,
			`{"ph":"X","cat":"Runtime","name":"cudaLaunchKernel","pid":5,"tid":"6","ts":0,"dur":1,"args":{"correlation":4}}`,
			`{"ph":"X","cat":"Operator","name":"aten::add","pid":5,"tid":6,"ts":0,"dur":2}`),
			"wall 0-6000; gpu1.9 1000-3000 k by 0; gpu1.9 3000-5000 HtoD pageable->device 64 by -1; gpu1.9 5000-6000 set 32 by -1; " +
				"call 0-1000 cudaLaunchKernel class 1 thread 6; range 0-2000 aten::add kind 0 thread 6"},
		"the new spellings": {list(
			`{"ph":"X","cat":"gpu_memcpy","name":"Memcpy DtoH (Device -> Pinned)","pid":0,"tid":7,"ts":1.5,"dur":0.25,"args":{"device":0,"stream":7,"correlation":8,"bytes":1}}`,
			`{"ph":"X","cat":"gpu_memset","name":"Memset (Device)","pid":0,"tid":7,"ts":2,"dur":1,"args":{"device":0,"stream":7,"bytes":8}}`,
			`{"ph":"X","cat":"cuda_driver","name":"cuLaunchKernel","pid":5,"tid":6,"ts":1,"dur":1,"args":{"correlation":9}}`,
			`{"ph":"X","cat":"cuda_runtime","name":"cudaStreamSynchronize","pid":5,"tid":6,"ts":2,"dur":1,"args":{"correlation":10}}`,
			`{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":5,"tid":6,"ts":0,"dur":3}`,
			`{"ph":"X","cat":"python_function","name":"a.py(3): f","pid":5,"tid":6,"ts":0,"dur":4}`,
			`{"ph":"X","cat":"user_annotation","name":"decode","pid":5,"tid":6,"ts":1,"dur":1}`,
			`{"ph":"X","cat":"user_annotation","name":"ProfilerStep#2","pid":5,"tid":6,"ts":0,"dur":4}`),
			"wall 0-4000; gpu0.7 1500-1750 DtoH device->pinned 1 by -1; gpu0.7 2000-3000 set 8 by -1; call 1000-2000 cuLaunchKernel class 1 thread 6; " +
				"call 2000-3000 cudaStreamSynchronize class 3 thread 6; range 0-3000 aten::mm kind 0 thread 6; range 0-4000 a.py(3): f kind 1 thread 6; " +
				"scope 0-4000 ProfilerStep#2 depth 0 thread 6; scope 1000-2000 decode depth 1 thread 6"},
		"ROCm": {list(
			`{"ph":"X","cat":"kernel","name":"Cijk_Ailk","pid":2,"tid":0,"ts":1,"dur":1,"args":{"device":2,"stream":0,"correlation":11,"kind":"Dispatch Kernel"}}`,
			`{"ph":"X","cat":"gpu_memcpy","name":"CopyHostToDevice","pid":2,"tid":0,"ts":3,"dur":1,"args":{"device":2,"stream":0,"bytes":7}}`,
			`{"ph":"X","cat":"cuda_runtime","name":"hipExtModuleLaunchKernel","pid":5,"tid":6,"ts":0,"dur":1,"args":{"correlation":11}}`,
			`{"ph":"X","cat":"cuda_runtime","name":"hipMemcpyWithStream","pid":5,"tid":6,"ts":2,"dur":1,"args":{"correlation":12}}`,
			`{"ph":"X","cat":"cuda_runtime","name":"hipStreamSynchronize","pid":5,"tid":6,"ts":4,"dur":1,"args":{"correlation":13}}`),
			"wall 0-5000; gpu2.0 1000-2000 Cijk_Ailk by 0; gpu2.0 3000-4000 HtoD unknown->unknown 7 by -1; call 0-1000 hipExtModuleLaunchKernel class 1 thread 6; " +
				"call 2000-3000 hipMemcpyWithStream class 2 thread 6; call 4000-5000 hipStreamSynchronize class 3 thread 6"},
		"what is beside the wall, and what is in it alone": {list(kernel,
			`{"ph":"X","cat":"Trace","name":"PyTorch Profiler (0)","pid":"Spans","tid":"PyTorch Profiler","ts":0,"dur":100}`,
			`{"ph":"X","cat":"gpu_user_annotation","name":"ProfilerStep#2","pid":0,"tid":7,"ts":0,"dur":90}`,
			`{"ph":"X","cat":"overhead","name":"CUPTI Buffer Flush","pid":-1,"tid":0,"ts":11,"dur":2}`,
			`{"ph":"X","cat":"overhead","name":"Command Buffer Full","pid":-1,"tid":0,"ts":13,"dur":2}`,
			`{"ph":"X","cat":"cuda_sync","name":"Event Sync","pid":0,"tid":-1,"ts":9,"dur":1,"args":{"device":0,"stream":-1}}`),
			"wall 9000-15000; gpu0.7 10000-15000 k by -1; overhead 11000-13000"},
		"flows, instants, counters and metadata are no events": {list(kernel,
			`{"ph":"s","id":1,"pid":5,"tid":6,"ts":1,"cat":"ac2g","name":"ac2g"}`, `{"ph":"f","id":1,"pid":0,"tid":7,"ts":1,"cat":"ac2g","name":"ac2g","bp":"e"}`,
			`{"ph":"i","s":"t","name":"[memory]","pid":5,"tid":6,"ts":1,"args":{"Bytes":4}}`, `{"ph":"C","name":"c","ts":1,"args":{}}`,
			`{"name":"process_name","ph":"M","ts":1,"pid":5,"tid":0,"args":{"name":"python"}}`, `{"ph":"B","name":"b","ts":1}`, `{"name":"no phase"}`, `{}`),
			"wall 10000-15000; gpu0.7 10000-15000 k by -1"},
		"numbers in quotes, a float as an id": {list(
			`{"ph":"X","cat":"kernel","name":"k","pid":"0","tid":"7","ts":"10.001","dur":"5.5","args":{"device":"0","stream":"7","correlation":"3"}}`,
			`{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":5.0,"tid":6,"ts":"9","dur":"1","args":{"correlation":3.0}}`),
			"wall 9000-15501; gpu0.7 10001-15501 k by 0; call 9000-10000 cudaLaunchKernel class 1 thread 6"},
		"fields that are missing": {list(kernel,
			`{"ph":"X","cat":"kernel","name":"late","pid":0,"tid":7,"ts":20}`,
			`{"ph":"X","cat":"kernel","pid":0,"tid":7,"ts":21,"dur":1,"args":{}}`,
			`{"ph":"X","cat":"kernel","name":"no time","pid":0,"tid":7,"dur":1}`,
			`{"ph":"X","cat":"kernel","name":"no number","pid":0,"tid":7,"ts":null,"dur":1}`,
			`{"ph":"X","cat":"kernel","name":"no device","ts":22,"dur":1}`,
			`{"ph":"X","cat":"cpu_op","name":"nowhere","ts":10,"dur":1}`,
			`{"ph":"X","name":"no category","pid":5,"tid":6,"ts":10,"dur":1}`),
			"wall 10000-23000; gpu0.7 10000-15000 k by -1; gpu0.7 20000-20000 late by -1; gpu0.7 21000-22000  by -1; range 10000-11000 nowhere kind 0 thread 0; " +
				"scope 10000-11000 no category depth 0 thread 6; lost 2 events had no time; lost 1 operations of no device that there can be"},
		"of a key that comes twice the last counts": {list(
			`{"ph":"i","ph":"X","cat":"Trace","cat":"kernel","name":"a","name":"k","pid":1,"pid":0,"ts":1,"ts":10,"dur":1,"dur":5,"args":{"device":3},"args":{"device":0,"stream":1,"stream":7}}`,
			`{"ph":"X","ph":"X","cat":"kernel","name":"a","name":"k","pid":1,"pid":0,"ts":1,"ts":10,"dur":1,"dur":5,"args":{"device":3},"args":{"device":0,"device":1,"stream":1,"stream":7}}`),
			"wall 10000-15000; gpu1.7 10000-15000 k by -1"},
		"numbers that fit nowhere": {list(kernel,
			`{"ph":"X","cat":"kernel","name":"a","pid":0,"tid":7,"ts":1e30,"dur":1}`, `{"ph":"X","cat":"kernel","name":"a","pid":0,"tid":7,"ts":9223372036854775000,"dur":1}`,
			`{"ph":"X","cat":"kernel","name":"a","pid":0,"tid":7,"ts":9223372036854775,"dur":9223372036854775}`, `{"ph":"X","cat":"kernel","name":"a","pid":0,"tid":7,"ts":1,"dur":-1}`,
			`{"ph":"X","cat":"kernel","name":"a","pid":0,"tid":7,"ts":11,"dur":1,"args":{"device":99999999999999999999,"stream":184467440737095516160,"correlation":-1,"bytes":1e99}}`,
			`{"ph":"X","cat":"kernel","name":"a","pid":0,"tid":7,"ts":11,"dur":1,"args":{"device":300}}`,
			`{"ph":"X","cat":"cpu_op","name":"o","pid":140234567890123,"tid":140234567890123,"ts":11,"dur":1}`),
			"wall 10000-15000; gpu0.7 10000-15000 k by -1; gpu0.7 11000-12000 a by -1; range 11000-12000 o kind 0 thread -2147483648; " +
				"lost 1 events ended before they began; lost 3 events had times that are too large to be any; lost 1 operations of no device that there can be"},
		"text that is none": {list(
			"{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"a\xffb\",\"pid\":0,\"tid\":7,\"ts\":10,\"dur\":1}",
			`{"ph":"X","cat":"kernel","name":"a\"\\\/\n\u00e9\ud83d\ude00\ud800\q\u12","pid":0,"tid":7,"ts":11,"dur":1}`,
			"{\"ph\":\"X\",\"cat\":\"kernel\",\"name\":\"line\nbreak\",\"pid\":0,\"tid\":7,\"ts\":12,\"dur\":1,\"args\":{\"path\":\"C:\\\\dir\\\\\"}}"),
			"wall 10000-13000; gpu0.7 10000-11000 a\uFFFDb by -1; gpu0.7 11000-12000 a\"\\/\né😀\uFFFD\\q\\u12 by -1; gpu0.7 12000-13000 line\nbreak by -1"},
		"values that Kineto gets wrong": {list(`{"ph":"X","cat":"kernel","name":"k","pid":0,"tid":7,"ts":10,"dur":5,"args":{"est. achieved occupancy %": nan, "x": -inf, "y": Infinity, "z": None, "stream": 7}}`),
			"wall 10000-15000; gpu0.7 10000-15000 k by -1"},
		"entries that are no events": {`{"traceEvents":[1,null,"x",[2],` + kernel + `,true]}`, "wall 10000-15000; gpu0.7 10000-15000 k by -1; lost 5 entries of the list of events were no events"},
		"data loaders and framework code by name": {list(
			`{"ph":"X","cat":"user_annotation","name":"enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__","pid":5,"tid":6,"ts":1,"dur":1}`,
			`{"ph":"X","cat":"Operator","name":"enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__","pid":5,"tid":6,"ts":2,"dur":1}`,
			`{"ph":"X","cat":"Operator","name":"ProfilerStep#1","pid":5,"tid":6,"ts":1,"dur":3}`,
			`{"ph":"X","cat":"user_annotation","name":"Optimizer.step#SGD.step","pid":5,"tid":6,"ts":3,"dur":1}`),
			"wall 1000-4000; range 1000-2000 enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__ kind 2 thread 6; " +
				"range 2000-3000 enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__ kind 2 thread 6; range 3000-4000 Optimizer.step#SGD.step kind 0 thread 6; " +
				"scope 1000-4000 ProfilerStep#1 depth 0 thread 6; scope 3000-4000 Optimizer.step#SGD.step depth 1 thread 6"},
		"two lists of events": {`{"traceEvents":[` + kernel + `],"traceEvents":[` + strings.ReplaceAll(kernel, `"ts":10`, `"ts":20`) + `]}`,
			"wall 10000-25000; gpu0.7 10000-15000 k by -1; gpu0.7 20000-25000 k by -1"},
	} {
		for _, zip := range []bool{false, true} {
			trace, err := read(t, c.text, importer.Whole(), zip)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := describe(trace.Timeline); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
			}
		}
	}
}

func TestWhatATraceSaysOfItself(t *testing.T) {
	trace, err := read(t, `{"deviceProperties":[{"id":0,"name":"H100 \"x\"","totalGlobalMem":85},{"id":1,"name":"idle"}],"traceEvents":[`+kernel+`,
		{"ph":"X","cat":"cpu_op","name":"o","pid":5,"tid":6,"ts":1,"dur":1},{"name":"thread_name","ph":"M","pid":5,"tid":"6","args":{"name":"thread 6 (python)"}},
		{"name":"thread_name","ph":"M","pid":5,"tid":77,"args":{"name":"without events"}}],"baseTimeNanoseconds":1751410836000000000}`, importer.Whole(), false)
	if err != nil {
		t.Fatal(err)
	}
	tl := trace.Timeline
	if d := tl.Devices; len(d) != 1 || d[0].Name != `H100 "x"` || d[0].MemoryBytes != 85 {
		t.Errorf("devices %+v", d)
	}
	if trace.EpochNs != 1751410836000000000 || !tl.NoCell || tl.Rung != timeline.RungTrace {
		t.Errorf("epoch %d, whole %v, rung %s", trace.EpochNs, tl.NoCell, tl.Rung)
	}
	if len(tl.Threads) != 2 || tl.Threads[1].Name != "thread 6 (python)" || tl.Main() != 1 {
		t.Errorf("threads %+v", tl.Threads)
	}
	for _, broken := range []string{`"deviceProperties":7`, `"deviceProperties":[{"id":"x"}]`, `"baseTimeNanoseconds":"x"`, `"baseTimeNanoseconds":1e99`} {
		if _, err := read(t, "{"+broken+`,"traceEvents":[`+kernel+"]}", importer.Whole(), false); err != nil {
			t.Errorf("%s: %v", broken, err)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	whole := list(kernel, kernel)
	for name, c := range map[string]struct{ text, want string }{
		"cut in an event":        {whole[:60], "byte 60: the trace ends too early"},
		"cut in a string":        {whole[:33], "byte 33: the trace ends too early"},
		"cut behind an event":    {"[" + kernel, fmt.Sprintf("byte %d: the trace ends too early", 1+len(kernel))},
		"cut behind a comma":     {"[" + kernel + ", ", fmt.Sprintf("byte %d: the trace ends too early", 3+len(kernel))},
		"cut behind the list":    {whole[:len(whole)-1], fmt.Sprintf("byte %d: the trace ends too early", len(whole)-1)},
		"cut in a value":         {`{"a": [1, 2`, "byte 11: the trace ends too early"},
		"cut behind a key":       {`{"a"`, "byte 4: the trace ends too early"},
		"no list":                {`{"a": 1}`, "byte 7: the object has no list traceEvents"},
		"a list that is none":    {`{"traceEvents": {}}`, "byte 18: the object has no list traceEvents"},
		"brackets that differ":   {`[{"ph":"X"]]`, `byte 10: ']' closes what '{' opened`},
		"no comma":               {"[" + kernel + kernel + "]", fmt.Sprintf("byte %d: a comma or the end of the list of events was expected", 1+len(kernel))},
		"two commas":             {"[" + kernel + ",," + kernel + "]", fmt.Sprintf("byte %d: an event was expected", 2+len(kernel))},
		"a comma at the end":     {"[" + kernel + ",]", fmt.Sprintf("byte %d: an event was expected", 2+len(kernel))},
		"something behind":       {whole + "x", fmt.Sprintf("byte %d: something follows the end of the trace", len(whole))},
		"a key without quotes":   {`{ts: 1}`, "byte 1: a name in quotes was expected"},
		"no colon":               {`{"a" 1}`, "byte 5: a colon was expected"},
		"an event without colon": {`[{"ph" "X"}]`, "byte 7: a colon was expected"},
		"an event without value": {`[{"ph":"X","ts":}]`, "byte 16: a value was expected"},
		"an event without comma": {`[{"ph":"X" "ts":1}]`, "byte 11: a comma was expected"},
		"an event without key":   {`[{"ph":"X",}]`, "byte 11: a name in quotes was expected"},
		"too deep":               {`[{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}]`, "byte 133: it nests more than 128 deep"},
		"too deep beside":        {`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, "byte 133: it nests more than 128 deep"},
		"nothing":                {"[]", "it holds no event with a time"},
		"nothing with a time":    {`{"traceEvents":[{"ph":"X","cat":"Trace","ts":1,"dur":1}]}`, "it holds no event with a time"},
	} {
		for _, zip := range []bool{false, true} {
			_, err := read(t, c.text, importer.Whole(), zip)
			var told *importer.Error
			if !errors.As(err, &told) || told.Hint == "" {
				t.Errorf("%s: %#v", name, err)
				continue
			}
			want := c.want
			if place, rest, ok := strings.Cut(want, ": "); ok && zip {
				want = place + ", decompressed: " + rest
			}
			if told.Error() != want {
				t.Errorf("%s: %q, want %q", name, told.Error(), want)
			}
		}
	}
}

// The place of an error holds in a trace of many blocks, and the events of all of them come in order.
func TestManyBlocks(t *testing.T) {
	var b strings.Builder
	b.WriteString("[")
	const n = 30_000 // some 4 MB
	for i := range n {
		fmt.Fprintf(&b, `{"ph":"X","cat":"kernel","name":"k%d","pid":0,"tid":7,"ts":%d.001,"dur":0.5,"args":{"device":0,"stream":7,"note":"%s"}},`+"\n", i%100, i, strings.Repeat("]}\\\"", i%40))
	}
	good := strings.TrimSuffix(b.String(), ",\n") + "]"
	trace, err := read(t, good, importer.Whole(), false)
	if err != nil {
		t.Fatal(err)
	}
	ops := &trace.Timeline.Devices[0].Ops
	if ops.Len() != n {
		t.Fatalf("%d operations", ops.Len())
	}
	for i := range ops.Start {
		if ops.Start[i] != int64(i)*1000+1 || trace.Timeline.Names.String(ops.Name[i]) != fmt.Sprintf("k%d", i%100) || ops.Name[i] != timeline.NameID(i%100+1) {
			t.Fatalf("operation %d: %d, %s", i, ops.Start[i], trace.Timeline.Names.String(ops.Name[i]))
		}
	}
	for _, zip := range []bool{false, true} {
		at := strings.Index(good, `"ts":25000.001`) + 5
		_, err = read(t, good[:at]+","+good[at:], importer.Whole(), zip)
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("byte %d", at)) {
			t.Errorf("an error at byte %d: %v", at, err)
		}
	}
}

// An event may be longer than a block, up to a bound.
func TestLongEvents(t *testing.T) {
	long := func(n int) string {
		return "[" + kernel + `,{"ph":"X","cat":"kernel","name":"` + strings.Repeat("n", n) + `","pid":0,"tid":7,"ts":20,"dur":1},` + kernel + "]"
	}
	trace, err := read(t, long(5<<20), importer.Whole(), false)
	if err != nil {
		t.Fatal(err)
	}
	if tl := trace.Timeline; tl.Devices[0].Ops.Len() != 3 || len(tl.Names.String(tl.Devices[0].Ops.Name[2])) > timeline.MaxName {
		t.Errorf("%d operations, a name of %d bytes", tl.Devices[0].Ops.Len(), len(tl.Names.String(tl.Devices[0].Ops.Name[2])))
	}
	if _, err = read(t, long(17<<20), importer.Whole(), false); err == nil || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Error(err)
	}
}

func TestAnEndedContextEndsTheReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.json")
	if err := os.WriteFile(path, []byte(list(kernel)), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := importer.OpenSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Importer{}).Read(ctx, source, importer.Whole()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTransfers(t *testing.T) {
	for name, want := range map[string]transfer{
		"Memcpy HtoD (Pageable -> Device)": {timeline.CopyHtoD, timeline.MemoryPageable, timeline.MemoryDevice},
		"Memcpy DtoH (Device -> Pinned)":   {timeline.CopyDtoH, timeline.MemoryDevice, timeline.MemoryPinned},
		"Memcpy DtoD (Device -> Device)":   {timeline.CopyDtoD, timeline.MemoryDevice, timeline.MemoryDevice},
		"Memcpy PtoP (Device -> Device)":   {timeline.CopyPtoP, timeline.MemoryDevice, timeline.MemoryDevice},
		"CopyDeviceToHost":                 {kind: timeline.CopyDtoH}, "CopyHostToDevice": {kind: timeline.CopyHtoD}, "CopyDeviceToDevice": {kind: timeline.CopyDtoD},
		"Memcpy HtoD (Unified -> ?)": {kind: timeline.CopyHtoD}, "Memcpy": {}, "": {}, ")(": {},
	} {
		if got := transferOf(name); got != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}

func FuzzKineto(f *testing.F) {
	for _, seed := range []string{list(kernel), "[" + kernel + "]", list(`{"ph":"X","cat":"cpu_op","name":"a\u00e9\"","pid":"5","tid":6,"ts":"1.5","dur":1e3}`),
		`{"deviceProperties":[{"id":0,"name":"g"}],"baseTimeNanoseconds":1,"traceEvents":[{"name":"thread_name","ph":"M","pid":5,"tid":6,"args":{"name":"t"}}]}`,
		list(`{"ph":"X","cat":"overhead","name":"o","ts":-1,"dur":2}`, `{"ph":"X","cat":"Memcpy","name":"Memcpy HtoD (Pinned -> Device)","ts":1,"dur":-2,"args":{"device":1}}`),
		"{", "[[[[", `["\`, `[{"ph":"X","args":{"a":"\\"}}]`, "\xef\xbb\xbf[]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || !(Importer{}).Detect(data) {
			return
		}
		trace, err := read(t, string(data), importer.Whole(), false)
		var told *importer.Error
		switch {
		case err == nil && trace.Timeline == nil, err != nil && !errors.As(err, &told):
			t.Errorf("%v", err)
		}
	})
}

func TestCounters(t *testing.T) {
	trace, err := read(t, list(kernel,
		`{"ph":"C","name":"gpu0 SM activity","pid":1,"ts":11,"args":{"share":0.25}}`,
		`{"ph":"C","pid":1,"ts":"12.5","name":"gpu0 SM activity","args":{"share":"0.5"}}`,
		`{"ph":"C","name":"queue \u00e9","pid":1,"ts":12,"args":{"value":3}}`,
		`{"ph":"C","name":"queue \u00e9","pid":2,"ts":12,"args":{"value":4}}`,
		`{"ph":"C","name":"memory","pid":1,"ts":13,"args":{"reserved":1e3,"used":-2,"text":"much","none":null,"deep":{"a":[1]}}}`,
		`{"ph":"C","name":"bad","pid":1,"ts":13,"args":{"value":1e999,"share":"nan"}}`,
		`{"ph":"C","name":"no arguments","pid":1,"ts":13}`,
		`{"ph":"C","name":"no time","pid":1,"args":{"value":1}}`,
		`{"ph":"C","name":"outside","pid":1,"ts":900,"args":{"value":1}}`,
	), importer.Whole(), false)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, c := range trace.Timeline.Counters {
		if len(c.Time) > 0 {
			got = append(got, fmt.Sprintf("%s [%s] %v %v", c.Name, c.Unit, c.Time, c.Value))
		}
	}
	want := []string{"gpu0 SM activity [share] [11000 12500] [0.25 0.5]", "queue é [] [12000] [3]", "queue é (process 2) [] [12000] [4]",
		"memory reserved [] [13000] [1000]", "memory used [] [13000] [-2]"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	// They are no work: the wall is that of the kernel.
	if text, want := describe(trace.Timeline), "wall 10000-15000; gpu0.7 10000-15000 k by -1; lost 1 events had no time; lost 1 readings of counters were no numbers"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
}

func TestManyCounters(t *testing.T) {
	events := []string{kernel}
	for i := range 300 {
		events = append(events, fmt.Sprintf(`{"ph":"C","name":"c%d","pid":1,"ts":11,"args":{"value":1}}`, i))
	}
	trace, err := read(t, list(events...), importer.Whole(), false)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(trace.Timeline.Counters); n != 256 {
		t.Errorf("%d counters", n)
	}
	if text := describe(trace.Timeline); !strings.Contains(text, "lost 44 readings of counters past the first 256") {
		t.Error(text)
	}
}
