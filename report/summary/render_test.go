package summary

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestGolden(t *testing.T) {
	for _, c := range fixtures.All() {
		t.Run(c.Name, func(t *testing.T) {
			out := Render(c.Result)
			if !json.Valid(out) {
				t.Fatal("not JSON")
			}
			if len(out) > MaxBytes {
				t.Fatalf("%d bytes, more than %d", len(out), MaxBytes)
			}
			if !c.Large {
				golden.Check(t, c.Name+".json", out)
			}
		})
	}
}

// A cut summary says so, and its text stays whole characters.
func TestCutIsSaid(t *testing.T) {
	r := fixtures.Sleep()
	r.Findings[0].Title = strings.Repeat("é", 100_000)
	out := Render(r)
	if !bytes.Contains(out, []byte("were cut to")) {
		t.Error("a cut text is not noted")
	}
	if bytes.Contains(out, []byte(`\ufffd`)) || bytes.Contains(out, []byte("\ufffd")) {
		t.Error("a character was cut in two")
	}
	if bytes.Contains(Render(fixtures.Sleep()), []byte("were cut to")) {
		t.Error("a whole summary claims to be cut")
	}
}

func TestNoNullArrayAndNoUnwritableNumber(t *testing.T) {
	r := &result.Result{}
	r.Verdict.Confidence, r.Overhead.EstimatedSlowdown = math.NaN(), math.Inf(1)
	r.Findings = []result.Finding{{Confidence: math.Inf(-1)}}
	r.Devices = []result.Device{{}, {Sensors: &timeline.Sensors{PowerAvgW: math.NaN(), GPM: &timeline.GPM{TensorActive: math.Inf(1)}}}}
	var v any
	if err := json.Unmarshal(Render(r), &v); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(path+"/"+k, e)
			}
		case []any:
			for _, e := range v {
				walk(path+"/*", e)
			}
		case nil:
			if !slices.Contains([]string{"line", "sensors", "gpm", "intervals", "since"}, path[strings.LastIndex(path, "/")+1:]) {
				t.Errorf("%s is null", path)
			}
		}
	}
	walk("", v)
}

// The schema has exactly the keys of the Go types, each required, and every reason of blocking.
func TestSchemaMatchesTypes(t *testing.T) {
	raw, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	defs := root["$defs"].(map[string]any)
	compare(t, "", root, defs, reflect.TypeFor[summaryDoc]())
	blocked := defs["states"].(map[string]any)["properties"].(map[string]any)["blocked_ns"].(map[string]any)["properties"].(map[string]any)
	if len(blocked) != int(timeline.NumReasons) {
		t.Errorf("the schema knows %d reasons, the timeline %d", len(blocked), timeline.NumReasons)
	}
	for r := range timeline.NumReasons {
		if blocked[r.String()] == nil {
			t.Errorf("reason %s is not in the schema", r)
		}
	}
}

func compare(t *testing.T, path string, schema, defs map[string]any, typ reflect.Type) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if choices, ok := schema["anyOf"].([]any); ok {
		compare(t, path, choices[0].(map[string]any), defs, typ)
		return
	}
	switch typ.Kind() {
	case reflect.Pointer:
		compare(t, path, schema, defs, typ.Elem())
	case reflect.Slice:
		if items, ok := schema["items"].(map[string]any); ok {
			compare(t, path+"[]", items, defs, typ.Elem())
		}
	case reflect.Struct:
		keys := keysOf(typ)
		properties, _ := schema["properties"].(map[string]any)
		var required []string
		for _, k := range schema["required"].([]any) {
			required = append(required, k.(string))
		}
		slices.Sort(required)
		sorted := slices.Sorted(slices.Values(mapKeys(keys)))
		if !slices.Equal(sorted, required) {
			t.Errorf("%s: the type has %v, the schema requires %v", path, sorted, required)
		}
		if len(properties) != len(keys) || schema["additionalProperties"] != false {
			t.Errorf("%s: the schema allows %d keys, the type has %d", path, len(properties), len(keys))
		}
		for k, field := range keys {
			if p, ok := properties[k].(map[string]any); ok {
				compare(t, path+"/"+k, p, defs, field)
			}
		}
	}
}

func keysOf(typ reflect.Type) map[string]reflect.Type {
	keys := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(typ) {
		if !f.Anonymous {
			keys[f.Tag.Get("json")] = f.Type
		}
	}
	return keys
}

func mapKeys(m map[string]reflect.Type) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func BenchmarkRender(b *testing.B) {
	for name, r := range map[string]*result.Result{"typical": fixtures.Typical(), "huge": fixtures.Huge()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Render(r)
			}
		})
	}
}
