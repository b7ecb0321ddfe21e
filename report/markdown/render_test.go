package markdown

import (
	"regexp"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
)

func TestGolden(t *testing.T) {
	for _, c := range fixtures.All() {
		t.Run(c.Name, func(t *testing.T) {
			out := Render(c.Result)
			if len(out) > 100<<10 {
				t.Errorf("%d bytes do not fit into an issue", len(out))
			}
			if !c.Large {
				golden.Check(t, c.Name+".md", out)
			}
		})
	}
}

// Outside of code, text from outside makes no tag, no link, no mention and no reference.
func TestHostileTextFormatsNothing(t *testing.T) {
	for _, r := range []*result.Result{fixtures.Hostile(), fixtures.HostileGPU()} {
		formatsNothing(t, string(Render(r)))
	}
}

func formatsNothing(t *testing.T, out string) {
	t.Helper()
	out = regexp.MustCompile("(?s)\n *(````*)[a-z]*\n.*?\n *````*\n").ReplaceAllString(out, "\n")
	out = withoutSpans(out)
	for _, bad := range []string{`(^|[^\\])\]\(`, `<(script|img|svg|iframe|/style|h1)`, `@\w`, `[^\\]#\d`, `\w://`, `(^|[^\\])\*\*bold`} {
		if m := regexp.MustCompile(bad).FindString(out); m != "" {
			i := strings.Index(out, m)
			t.Errorf("%s: %q", bad, out[max(0, i-40):min(len(out), i+40)])
		}
	}
}

// withoutSpans leaves out what stands between two runs of backticks of one length.
func withoutSpans(s string) string {
	runs := regexp.MustCompile("\\\\`|`+").FindAllStringIndex(s, -1)
	var b strings.Builder
	at := 0
	for i := 0; i < len(runs); i++ {
		from := runs[i]
		if s[from[0]] == '\\' {
			continue
		}
		for k := i + 1; k < len(runs); k++ {
			to := runs[k]
			if s[to[0]] == '\\' { // within code a backslash is itself
				to = []int{to[0] + 1, to[1]}
			}
			if to[1]-to[0] == from[1]-from[0] {
				b.WriteString(s[at:from[0]])
				at, i = to[1], k
				break
			}
		}
	}
	return b.String() + s[at:]
}

// A fence or a code span is longer than any run of backticks in it, and a bar in a table is escaped.
func TestCodeCannotBeClosedFromInside(t *testing.T) {
	for in, want := range map[string]string{"a": "`a`", "a`b": "`` a`b ``", "```": "```` ``` ````", "": "` `", "x\ny": "`x⟨U+000A⟩y`"} {
		if got := code(in, 100); got != want {
			t.Errorf("code(%q) = %q, want %q", in, got, want)
		}
	}
	if got := cellCode("a|b"); got != "`a\\|b`" {
		t.Errorf("a bar in a table gives %q", got)
	}
	r := fixtures.Sleep()
	r.Cell.Lines[1] = "`````"
	if out := string(Render(r)); !strings.Contains(out, "\n``````text\n") {
		t.Errorf("the fence can be closed by the cell:\n%s", out)
	}
}

func TestZeroResult(t *testing.T) {
	if out := Render(&result.Result{}); len(out) == 0 {
		t.Error("nothing was rendered")
	}
}
