package html

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report"
	"github.com/inferscope/inferscope/report/web"
)

// interactive is the script that draws the timeline in the place of the picture
// before it, with its data: all text from outside is inside the base 64 of packed.
// Without anything to draw it is empty.
func interactive(r *result.Result) markup {
	if len(r.Scene.Lanes) == 0 {
		return ""
	}
	config, err := json.Marshal(describe(r))
	if err != nil { // strings and numbers only
		return ""
	}
	return `<script type="application/json">` + markup(config) + `</script><script>` + markup(web.Bundle) + `</script>`
}

// description is what the script needs beside the packed scene. It holds no text from outside.
type description struct {
	// Data is the packed scene, deflated, in base 64.
	Data string `json:"data"`
	// Classes are the looks of the classes that the scene's keys name, in its order of them.
	Classes []classLook `json:"classes"`
	// Findings are those of the page, in its order.
	Findings []evidence `json:"findings"`
	Subject  string     `json:"subject"`
}

// classLook is how a class is drawn and called.
type classLook struct {
	Color string `json:"color"`
	// Height is a share of a row's.
	Height float64 `json:"height"`
	Hatch  bool    `json:"hatch,omitempty"`
	Words  string  `json:"words"`
}

// evidence is where a finding is to be seen: on its line, 0 when it has none, and in stretches of time.
type evidence struct {
	Line  int32          `json:"line"`
	Spans []evidenceSpan `json:"spans"`
}

// evidenceSpan is a result.Span without its text.
type evidenceSpan struct {
	Kind   result.SpanKind   `json:"kind"`
	Start  int64             `json:"start"`
	End    int64             `json:"end"`
	Device int32             `json:"device"`
	Thread timeline.ThreadID `json:"thread"`
}

func describe(r *result.Result) description {
	packed, classes := pack(&r.Scene)
	d := description{Data: deflated(packed), Classes: []classLook{}, Findings: []evidence{}, Subject: report.Subject(r)}
	for _, c := range classes {
		s := sliceOf(c)
		d.Classes = append(d.Classes, classLook{string(s.color), float64(s.height) / 14, s.hatch, report.StateWords(c)})
	}
	for _, f := range r.Findings[:min(len(r.Findings), generous.findings)] {
		e := evidence{f.Line.Number, []evidenceSpan{}}
		for _, x := range f.Spans[:min(len(f.Spans), result.MaxSpans)] {
			e.Spans = append(e.Spans, evidenceSpan{x.Kind, x.Start, x.End, x.Device, x.Thread})
		}
		d.Findings = append(d.Findings, e)
	}
	return d
}

// deflated is data as the browser's DecompressionStream reads it ("deflate-raw"), in base 64.
func deflated(data []byte) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil { // a buffer takes all, and the level is one
		return ""
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// packVersion is the first number of a packed scene: report/web/src/data.ts reads this one.
const packVersion = 1

// packer writes numbers in base 128, the lowest seven bits first; a number that may
// be negative has its sign in the lowest bit.
type packer struct{ b []byte }

func (p *packer) uint(n int64)    { p.b = binary.AppendUvarint(p.b, uint64(max(n, 0))) }
func (p *packer) int(n int64)     { p.b = binary.AppendVarint(p.b, n) }
func (p *packer) float(v float64) { p.b = binary.LittleEndian.AppendUint64(p.b, math.Float64bits(v)) }

func (p *packer) text(s string) {
	s = report.Visible(s, 0)
	p.uint(int64(len(s)))
	p.b = append(p.b, s...)
}

// pack writes a scene, column by column: numbers that are alike stand together. It
// also gives the classes by the numbers that keys have for them.
func pack(s *result.Scene) (packed []byte, classes []string) {
	p := &packer{}
	p.uint(packVersion)
	p.uint(s.Window.Ns())
	p.uint(s.CodeNs)
	number := map[string]int{}
	p.uint(int64(len(s.Keys)))
	for _, k := range s.Keys {
		n, ok := number[k.Class]
		if !ok {
			n = len(classes)
			number[k.Class] = n
			classes = append(classes, k.Class)
		}
		p.uint(int64(n))
		p.uint(int64(k.Line))
		p.text(k.Label)
	}
	p.uint(int64(len(classes)))
	for _, c := range classes {
		p.text(c)
	}
	p.uint(int64(len(s.Lanes)))
	for i := range s.Lanes {
		p.lane(&s.Lanes[i])
	}
	p.uint(int64(len(s.Series)))
	for i := range s.Series {
		p.series(&s.Series[i])
	}
	p.uint(int64(len(s.Arrows)))
	var from int64
	for _, a := range s.Arrows {
		p.uint(int64(a.FromLane))
		p.uint(int64(a.ToLane))
		p.int(a.From - from)
		p.int(a.To - a.From)
		from = a.From
	}
	return p.b, classes
}

func (p *packer) lane(l *result.SceneLane) {
	p.text(string(l.Kind))
	p.text(l.Name)
	p.uint(int64(l.Thread))
	p.int(int64(l.Device))
	p.uint(int64(l.Stream))
	p.uint(l.MergedNs)
	p.uint(int64(len(l.Items)))
	var end int64
	for i := range l.Items {
		p.int(l.Items[i].Start - end)
		end = l.Items[i].End
	}
	for i := range l.Items {
		p.uint(l.Items[i].End - l.Items[i].Start)
	}
	// Twice the number of parts, and one more when the parts have lengths of their own.
	for i := range l.Items {
		n := int64(2 * len(l.Items[i].Parts))
		if merged(&l.Items[i]) {
			n++
		}
		p.uint(n)
	}
	for i := range l.Items {
		for _, part := range l.Items[i].Parts {
			p.uint(int64(part.Key))
		}
	}
	for _, of := range []func(result.ScenePart) int64{func(x result.ScenePart) int64 { return x.Ns }, func(x result.ScenePart) int64 { return x.Count }} {
		for i := range l.Items {
			if merged(&l.Items[i]) {
				for _, part := range l.Items[i].Parts {
					p.uint(of(part))
				}
			}
		}
	}
}

func merged(x *result.SceneItem) bool {
	return len(x.Parts) != 1 || x.Parts[0].Count != 1 || x.Parts[0].Ns != x.End-x.Start
}

// steps is into how many steps the range of a series is divided: more digits than anyone reads.
const steps = 1 << 16

func (p *packer) series(s *result.SceneSeries) {
	p.text(s.Name)
	p.text(s.Unit)
	low, high := math.Inf(1), math.Inf(-1)
	for i := range s.Time {
		low, high = min(low, s.Low[i]), max(high, s.High[i])
	}
	step := (high - low) / steps
	p.uint(int64(len(s.Time)))
	p.float(low)
	p.float(step)
	var at int64
	for _, t := range s.Time {
		p.uint(t - at)
		at = t
	}
	whole := func(v float64) int64 {
		if step == 0 {
			return 0
		}
		return int64(math.Round((v - low) / step))
	}
	for _, v := range s.Low {
		p.uint(whole(v))
	}
	for i, v := range s.High {
		p.uint(whole(v) - whole(s.Low[i]))
	}
}
