package html

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

var image = regexp.MustCompile(`data:image/svg\+xml,([^"<> ]*)`)

// The picture is a golden file of its own: in the page its differences could not be read.
func TestGolden(t *testing.T) {
	for _, c := range fixtures.All() {
		t.Run(c.Name, func(t *testing.T) {
			out := Render(c.Result)
			if len(out) > MaxBytes {
				t.Fatalf("%d bytes, more than %d", len(out), MaxBytes)
			}
			if c.Large {
				return
			}
			if m := image.FindSubmatch(out); m != nil {
				svg, err := url.PathUnescape(string(m[1]))
				if err != nil {
					t.Fatal(err)
				}
				golden.Check(t, c.Name+".svg", []byte(strings.ReplaceAll(svg, "><", ">\n<")))
			}
			page := image.ReplaceAll(out, []byte("PICTURE"))
			page = regexp.MustCompile(`(<tr|<li|</(?:h4|h5|p|summary|thead)>|<details[^>]*>)`).ReplaceAll(page, []byte("\n$1"))
			golden.Check(t, c.Name+".html", page)
		})
	}
}

func TestSizes(t *testing.T) {
	// Names of attacks, and 10 KB each of characters that take six bytes, are cut as far as they can be read.
	most := map[string]int{"sleep": 14 << 10, "gil": 18 << 10, "error": 14 << 10, "gpu_matmul": 20 << 10, "hostile": 36 << 10, "gpu_hostile": 36 << 10, "huge": 88 << 10}
	for _, c := range fixtures.All() {
		limit := most[c.Name]
		if limit == 0 {
			limit = BaseBytes
		}
		if n := len(Render(c.Result)); n > limit {
			t.Errorf("%s takes %d bytes, more than %d", c.Name, n, limit)
		}
		// The richest cells are shown whole.
		if n := len(compact(render(c.Result, generous))); n > BaseBytes && most[c.Name] == 0 {
			t.Errorf("%s is cut: it would take %d bytes", c.Name, n)
		}
	}
}

// The picture of a page that is cut is coarser, and still there.
func TestACutPageHasACoarserPicture(t *testing.T) {
	coarser := 0
	for _, c := range fixtures.All() {
		whole := generous
		whole.lanes, whole.runs = tightest.lanes, generous.runs
		cut := whole
		cut.runs = tightest.runs
		before, _ := drawing(c.Result, whole)
		after, _ := drawing(c.Result, cut)
		if len(after) > len(before) || (before == "") != (after == "") {
			t.Errorf("%s: a picture of %d bytes instead of %d", c.Name, len(after), len(before))
		}
		if len(after) < len(before) {
			coarser++
		}
	}
	if coarser == 0 {
		t.Error("no fixture has a picture that is cut")
	}
}

// Nothing that a sanitising host would drop with its content, and nothing that can run.
var allowed = []string{"a", "br", "code", "details", "div", "h4", "h5", "img", "li", "meter", "ol", "p", "pre", "small", "span", "strong", "summary",
	"table", "tbody", "td", "th", "thead", "tr", "ul"}

var tag = regexp.MustCompile(`<(/?)([a-zA-Z!?][^\s>/]*)((?:[^>"']|"[^"]*"|'[^']*')*)>`)

var attribute = regexp.MustCompile(`^\s+([a-z-]+)(?:="[^"<>]*"|=[^\s"\x27<>=\x60]+)?`)

func TestOnlyHarmlessBalancedMarkup(t *testing.T) {
	for _, c := range fixtures.All() {
		t.Run(c.Name, func(t *testing.T) { harmless(t, string(Render(c.Result))) })
	}
}

// implied are the elements that a tag ends whose own end tag may be left out, innermost first.
var implied = map[string][]string{"td": {"td", "th"}, "th": {"th"}, "tr": {"td", "th", "tr"}, "/thead": {"th", "tr"},
	"/table": {"td", "th", "tr", "tbody"}, "li": {"li"}, "/ul": {"li"}, "/ol": {"li"}}

func harmless(t *testing.T, out string) {
	t.Helper()
	attributes := []string{"style", "scope", "align", "cellpadding", "colspan", "open", "min", "max", "low", "value", "title", "src", "alt", "width"}
	var open []string
	for _, m := range tag.FindAllStringSubmatch(out, -1) {
		name := m[2]
		if !slices.Contains(allowed, name) {
			t.Fatalf("tag %.80q", m[0])
		}
		// What HTML closes by itself.
		for _, closes := range implied[m[1]+name] {
			if n := len(open); n > 0 && open[n-1] == closes {
				open = open[:n-1]
			}
		}
		switch {
		case m[1] == "/":
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		case name != "br" && name != "img":
			open = append(open, name)
		}
		rest := m[3]
		for strings.TrimSpace(rest) != "" {
			a := attribute.FindStringSubmatch(rest)
			if a == nil || !slices.Contains(attributes, a[1]) {
				t.Fatalf("attribute in %.120q", m[0])
			}
			rest = rest[len(a[0]):]
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
	if i := strings.IndexAny(tag.ReplaceAllString(out, ""), "<>"); i >= 0 {
		t.Errorf("a bare angle bracket outside of tags")
	}
}

// What sanitising hosts drop from styles must not be used.
func TestStylesThatHostsKeep(t *testing.T) {
	out := string(Render(fixtures.Typical()))
	for _, bad := range []string{"var(", "currentColor", "class=", "data-", "aria-", "<style", "position:", "url("} {
		if strings.Contains(image.ReplaceAllString(out, ""), bad) {
			t.Errorf("the report uses %s", bad)
		}
	}
}

func TestPictureIsWellFormed(t *testing.T) {
	for _, c := range fixtures.All() {
		svg, alt := drawing(c.Result, generous)
		if svg == "" {
			continue
		}
		if alt == "" {
			t.Errorf("%s: no words for the picture", c.Name)
		}
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if e, ok := token.(xml.StartElement); ok && !slices.Contains([]string{"svg", "g", "rect", "path", "text"}, e.Name.Local) {
				t.Errorf("%s: element %s", c.Name, e.Name.Local)
			}
		}
	}
}

// Slices keep their place and order on the grid: what is drawn is what was there.
func TestRunsOf(t *testing.T) {
	r := fixtures.Sleep()
	w := r.Picture.Window
	at := func(column int64) int64 { return w.Start + w.Ns()*column/mostColumns + 1 }
	runs := grid(mostColumns).runsOf(r, []result.Slice{
		{Start: w.Start - 5, End: at(10), Class: "running"},
		{Start: at(10), End: at(20), Class: "sleep"},
		{Start: at(30), End: at(30), Class: "gil"},
		{Start: at(40), End: w.End + 1000, Class: "running"},
		{Start: w.End + 10, End: w.End + 20, Class: "lock"},
	})
	want := []run{{0, 10, "running", ""}, {10, 20, "sleep", ""}, {30, 31, "gil", ""}, {40, mostColumns, "running", ""}}
	if !slices.Equal(runs, want) {
		t.Errorf("got %v, want %v", runs, want)
	}
}

// In a long cell the slow line has its row, and the cold ones are folded with their text.
func TestLongCellFoldsColdLines(t *testing.T) {
	r := fixtures.Sleep()
	for len(r.Cell.Lines) < 300 {
		r.Cell.Lines = append(r.Cell.Lines, "cold_line()")
	}
	out := string(Render(r))
	if !strings.Contains(out, "8–300") || !strings.Contains(out, "293\u00a0lines") {
		t.Errorf("cold lines are not folded")
	}
	if n := strings.Count(out, "cold_line()"); n != 295 {
		t.Errorf("%d of 295 cold lines are in the page", n)
	}
	if i, j := strings.Index(out, "time.sleep(0.005)</code>"), strings.Index(out, "8–300"); i < 0 || i > j {
		t.Errorf("the slow line has no row")
	}
}

// Code in a sentence is marked as code, and stays escaped.
func TestCodeInProse(t *testing.T) {
	r := fixtures.Sleep()
	r.Verdict.Sentence = "Slow on line 4 (`x<y`), cost $5."
	out := string(Render(r))
	if !strings.Contains(out, "(<code>x&lt;y</code>), cost <span>$</span>5.") {
		t.Errorf("the sentence is not as wanted: %.600s", out)
	}
}

// Idle threads are counted, not listed.
func TestIdleThreadsAreCounted(t *testing.T) {
	r := fixtures.Sleep()
	for range 20 {
		r.Host.Threads = append(r.Host.Threads, result.ThreadStat{Name: "idle-thread", States: result.States{RunningNs: 1000}})
	}
	out := string(Render(r))
	if strings.Contains(out, "idle-thread") || !strings.Contains(out, "and 20\u00a0more\u00a0threads, which ran 20\u00a0µs in all") {
		t.Error("idle threads are not summed up")
	}
}

// InferScope's own line and the empty lines at the end are no part of the answer.
func TestMagicLineAndEmptyEnd(t *testing.T) {
	r := fixtures.Sleep()
	r.Cell.Lines = append(r.Cell.Lines, "", "  ")
	r.Cell.Lines[0], r.Host.Lines[0].Line.Text = "%%inferscope", "%%inferscope"
	r.Host.Lines[0].WallNs = 10 * r.WallNs
	out := string(Render(r))
	if strings.Contains(out, `padding:2px>6<`) {
		t.Error("an empty line at the end has a row")
	}
	if !strings.Contains(out, `<tr style=opacity:.72><td align=right style=padding:2px>1<`) {
		t.Error("InferScope's own line is not dimmed")
	}
	if i := strings.Index(out, `background:rgba(217,84,30,0.16)`); i < 0 || !strings.HasPrefix(out[i:][strings.Index(out[i:], `2px>`)+4:], "4<") {
		t.Error("line 4 is not the slowest")
	}
}

// What the short lines did together is not said of one of them.
func TestShortLineOnlyRuns(t *testing.T) {
	r := fixtures.Typical()
	before := string(Render(r))
	for i := range r.Host.Lines {
		r.Host.Lines[i].PooledNs = r.Host.Lines[i].WallNs
	}
	out := string(Render(r))
	line := func(s string) string {
		return s[strings.Index(s, "The cell, line by line"):strings.Index(s, "What to change")]
	}
	if !strings.Contains(line(before), "Python") || strings.Contains(line(out), "Python ") || !strings.Contains(line(out), "running") {
		t.Errorf("the lines say more than that they ran: %s", line(out))
	}
}

// Nobody is sent first to what is not worth it.
func TestFirstThingIsWorthIt(t *testing.T) {
	r := fixtures.Typical()
	if !strings.Contains(string(Render(r)), "First thing to change") {
		t.Fatal("nothing is pointed to")
	}
	r.Findings[0].Saving.LowNs, r.Findings[0].Saving.HighNs = r.WallNs/500, r.WallNs/200
	if strings.Contains(string(Render(r)), "First thing to change") {
		t.Error("what saves half of a percent is called the first thing to change")
	}
}

// What speaks of a device is there only with one.
func TestNoDeviceNoWord(t *testing.T) {
	out := string(Render(fixtures.Typical()))
	for _, word := range []string{"The GPU", "GPU time", "Launches", "GPU idle", "Top kernels", "host’s"} {
		if strings.Contains(out, word) {
			t.Errorf("without a device the report has %q", word)
		}
	}
}

// A dense picture is drawn with fewer columns instead of more bytes.
func TestDensePictureIsCoarser(t *testing.T) {
	r := fixtures.SyncInLoop()
	dense, _ := drawing(r, generous)
	if !strings.Contains(dense, "scale(2.6250 1)") {
		t.Errorf("the picture has not half of its columns: %.400s", dense)
	}
	if n := len(dense); n > 10<<10 {
		t.Errorf("a dense picture takes %d bytes", n)
	}
}

func TestZeroResult(t *testing.T) {
	if out := Render(&result.Result{}); len(out) == 0 {
		t.Error("nothing was rendered")
	}
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
