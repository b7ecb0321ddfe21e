package summary

import (
	"encoding/json"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// ComparisonSchema names the shape of a comparison, which compare.schema.json fixes.
const ComparisonSchema = "inferscope.compare/1"

// The types of the document. Their fields and compare.schema.json say the same; a test compares them.

type comparisonDoc struct {
	Schema      string            `json:"schema"`
	ToolVersion string            `json:"tool_version"`
	Outcome     string            `json:"outcome"`
	Sentence    string            `json:"sentence"`
	Change      float64           `json:"change"`
	Wall        deltaDoc          `json:"wall_ns"`
	Noise       noiseDoc          `json:"noise"`
	Before      sideDoc           `json:"before"`
	After       sideDoc           `json:"after"`
	Source      sourceChangeDoc   `json:"source"`
	Lines       []lineChangeDoc   `json:"lines"`
	Causes      []causeChangeDoc  `json:"causes"`
	Idle        deltaDoc          `json:"idle_ns"`
	IdleCauses  []causeChangeDoc  `json:"idle_causes"`
	Devices     []deviceChangeDoc `json:"devices"`
	KernelTime  deltaDoc          `json:"kernel_ns"`
	Kernels     []kernelChangeDoc `json:"kernels"`
	Copies      []copyChangeDoc   `json:"copies"`
	Gone        []findingDoc      `json:"gone"`
	New         []findingDoc      `json:"new"`
	Kept        []findingDoc      `json:"kept"`
	Notes       []string          `json:"notes"`
}

type deltaDoc struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	Diff   int64 `json:"diff"`
}

type noiseDoc struct {
	Method string  `json:"method"`
	Level  float64 `json:"level"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Share  float64 `json:"share"`
	Ns     int64   `json:"ns"`
	Why    string  `json:"why"`
	Hint   string  `json:"hint"`
}

type sideDoc struct {
	Kind     string   `json:"kind"`
	Runs     []runDoc `json:"runs"`
	Middle   int      `json:"middle"`
	Cell     cellDoc  `json:"cell"`
	Class    string   `json:"class"`
	TopCause string   `json:"top_cause"`
	Sentence string   `json:"sentence"`
}

type runDoc struct {
	Name   string `json:"name"`
	WallNs int64  `json:"wall_ns"`
}

type sourceChangeDoc struct {
	Edited  int `json:"edited"`
	Added   int `json:"added"`
	Removed int `json:"removed"`
}

// lineChangeDoc has null for the line of a side that has none.
type lineChangeDoc struct {
	Match      string          `json:"match"`
	Before     *lineDoc        `json:"before"`
	After      *lineDoc        `json:"after"`
	Wall       deltaDoc        `json:"wall_ns"`
	Beyond     bool            `json:"beyond_noise"`
	Causes     []kindChangeDoc `json:"causes"`
	Hits       deltaDoc        `json:"hits"`
	GPUTime    deltaDoc        `json:"gpu_ns"`
	IdleCaused deltaDoc        `json:"idle_caused_ns"`
}

type kindChangeDoc struct {
	Cause string   `json:"cause"`
	Time  deltaDoc `json:"ns"`
}

type causeChangeDoc struct {
	kindChangeDoc
	Beyond   bool     `json:"beyond_noise"`
	Line     *lineDoc `json:"line"`
	LineTime deltaDoc `json:"line_ns"`
}

type deviceChangeDoc struct {
	Index   int32    `json:"index"`
	Name    string   `json:"name"`
	Busy    deltaDoc `json:"busy_ns"`
	Idle    deltaDoc `json:"cell_idle_ns"`
	Kernels deltaDoc `json:"kernels"`
	Memcpys deltaDoc `json:"memcpys"`
	Beyond  bool     `json:"beyond_noise"`
}

// kernelChangeDoc has an empty name for the kernels that neither side lists.
type kernelChangeDoc struct {
	Name         string   `json:"name"`
	Count        deltaDoc `json:"count"`
	Time         deltaDoc `json:"ns"`
	ListedBefore bool     `json:"listed_before"`
	ListedAfter  bool     `json:"listed_after"`
	Beyond       bool     `json:"beyond_noise"`
}

type copyChangeDoc struct {
	Kind   string   `json:"kind"`
	Source string   `json:"source"`
	Target string   `json:"target"`
	Count  deltaDoc `json:"count"`
	Time   deltaDoc `json:"ns"`
	Bytes  deltaDoc `json:"bytes"`
	Beyond bool     `json:"beyond_noise"`
}

// Comparison writes a comparison as indented JSON that ends with a newline. One too
// large for MaxBytes has its lists and texts cut, and says so in its notes.
func Comparison(c *result.Comparison) []byte {
	for l := (limits{2000, 2000}); ; l = (limits{max(1, l.list/2), max(16, l.text/2)}) {
		w := &cutter{limits: l}
		doc := w.comparison(c)
		if w.size > MaxBytes && l.list > 1 {
			continue
		}
		if w.cut {
			doc.Notes = append(doc.Notes, "Lists of this comparison were cut to "+report.Count(int64(l.list))+" entries and texts to "+report.Count(int64(l.text))+" bytes.")
		}
		out, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			// Every number is made finite and every field is plain: reaching this is a mistake in this package.
			panic("summary: " + err.Error())
		}
		if len(out) < MaxBytes || l.list == 1 {
			return append(out, '\n')
		}
	}
}

func (w *cutter) comparison(c *result.Comparison) comparisonDoc {
	n := c.Noise
	return comparisonDoc{
		Schema: ComparisonSchema, ToolVersion: w.text(c.After.ToolVersion),
		Outcome: w.text(string(c.Outcome)), Sentence: w.text(c.Sentence), Change: finite(c.Change), Wall: deltaOf(c.Wall),
		Noise:  noiseDoc{w.text(string(n.Method)), finite(n.Level), finite(n.Low), finite(n.High), finite(n.Share), n.Ns, w.text(n.Why), w.text(n.Hint)},
		Before: w.sideOf(c.Before), After: w.sideOf(c.After), Source: sourceChangeDoc{c.Edited, c.Added, c.Removed},
		Lines: list(w, c.Lines, func(l result.LineChange) lineChangeDoc {
			return lineChangeDoc{w.text(string(l.Match)), w.linePointer(l.Before), w.linePointer(l.After), deltaOf(l.Wall), l.Beyond, list(w, l.Causes, w.kindOf),
				deltaOf(l.Hits), deltaOf(l.GPUTime), deltaOf(l.IdleCaused)}
		}),
		Causes: list(w, c.Causes, w.causeChangeOf), Idle: deltaOf(c.Idle), IdleCauses: list(w, c.IdleCauses, w.causeChangeOf),
		Devices: list(w, c.Devices, func(d result.DeviceChange) deviceChangeDoc {
			return deviceChangeDoc{d.Index, w.text(d.Name), deltaOf(d.Busy), deltaOf(d.Idle), deltaOf(d.Kernels), deltaOf(d.Memcpys), d.Beyond}
		}),
		KernelTime: deltaOf(c.KernelTime),
		Kernels: list(w, c.Kernels, func(k result.KernelChange) kernelChangeDoc {
			return kernelChangeDoc{w.text(k.Name), deltaOf(k.Count), deltaOf(k.Time), k.ListedBefore, k.ListedAfter, k.Beyond}
		}),
		Copies: list(w, c.Copies, func(k result.CopyChange) copyChangeDoc {
			return copyChangeDoc{w.text(k.Kind), w.text(k.Source), w.text(k.Target), deltaOf(k.Count), deltaOf(k.Time), deltaOf(k.Bytes), k.Beyond}
		}),
		Gone: list(w, c.Gone, w.findingOf), New: list(w, c.New, w.findingOf), Kept: list(w, c.Kept, w.findingOf), Notes: list(w, c.Notes, w.text),
	}
}

func deltaOf(d result.Delta) deltaDoc { return deltaDoc{d.Before, d.After, d.Diff()} }

func (w *cutter) sideOf(s result.Side) sideDoc {
	return sideDoc{
		Kind:   w.text(s.Kind),
		Runs:   list(w, s.Runs, func(r result.SideRun) runDoc { return runDoc{w.text(r.Name), r.WallNs} }),
		Middle: s.Middle, Cell: w.cellOf(s.Cell),
		Class: w.text(string(s.Verdict.Class)), TopCause: w.text(string(s.Verdict.TopCause.Kind)), Sentence: w.text(s.Verdict.Sentence),
	}
}

func (w *cutter) kindOf(k result.KindChange) kindChangeDoc {
	return kindChangeDoc{w.text(string(k.Kind)), deltaOf(k.Time)}
}

func (w *cutter) causeChangeOf(k result.CauseChange) causeChangeDoc {
	return causeChangeDoc{w.kindOf(k.KindChange), k.Beyond, w.linePointer(k.Line), deltaOf(k.LineTime)}
}
