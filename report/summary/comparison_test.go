package summary

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestComparison(t *testing.T) {
	for _, c := range fixtures.Comparisons() {
		t.Run(c.Name, func(t *testing.T) {
			out := Comparison(c.Comparison)
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

func TestComparisonIsCutAndSaysSo(t *testing.T) {
	c := *fixtures.Comparisons()[0].Comparison
	c.Sentence = strings.Repeat("é", 5000)
	if out := Comparison(&c); !bytes.Contains(out, []byte("Lists of this comparison were cut to")) {
		t.Error("a cut text is not noted")
	}
	c.Lines = make([]result.LineChange, 100_000)
	for i := range c.Lines {
		c.Lines[i].Before = result.Line{Number: int32(i + 1), Text: c.Sentence}
	}
	if n := len(Comparison(&c)); n > MaxBytes {
		t.Errorf("%d bytes", n)
	}
}

func TestZeroComparisonHasNoNull(t *testing.T) {
	out := Comparison(&result.Comparison{Change: math.NaN(), Noise: result.Noise{Low: math.Inf(-1)}})
	if !json.Valid(out) || bytes.Contains(out, []byte("null")) {
		t.Errorf("%s", out)
	}
}

func TestComparisonSchemaMatchesTypes(t *testing.T) {
	raw, err := os.ReadFile("compare.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	compare(t, "", root, root["$defs"].(map[string]any), reflect.TypeFor[comparisonDoc]())
}
