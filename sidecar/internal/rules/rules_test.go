package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/config"
)

// resolve reads a user's file with these rules.
func resolve(t *testing.T, text string) (config.Resolved, Set) {
	t.Helper()
	home := t.TempDir()
	path := filepath.Join(home, ".config", "inferscope", "config.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Resolve(config.Place{Environ: []string{"HOME=" + home}}, nil)
}

// sample is a result with something of everything that the tests ask about.
func sample() *result.Result {
	r := &result.Result{WallNs: 2_000_000_000, Findings: []result.Finding{
		{ID: "sleep", Severity: result.High, Saving: result.Saving{HighNs: 1_000_000_000}},
		{ID: "memory-growth", Severity: result.Info}}}
	r.Verdict.Class, r.Verdict.Confidence = result.CPUBound, 0.8
	r.Devices = []result.Device{{Index: 0, Kernels: 40, MemcpyNs: 500_000_000}, {Index: 1, MemcpyNs: 300_000_000,
		Sensors: &timeline.Sensors{PowerAvgW: 300, Throttled: map[string]float64{"power cap": 0.5}}}}
	for i := range 1000 {
		r.Host.Lines = append(r.Host.Lines, result.LineStat{Line: result.Line{Number: int32(i + 1), Text: "x = open(path)"}, WallNs: int64(i)})
	}
	return r
}

func holds(t *testing.T, when string) (bool, error) {
	t.Helper()
	one, err := compile(when)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	r := sample()
	Set{[]compiled{{config.Rule{Name: "mine", When: when, Severity: "medium", Advice: "Do.", Origin: config.Origin{Where: "f, line 3"}}, one.program, one.limiter}}}.Apply(r)
	for _, note := range r.Notes {
		return false, fmt.Errorf("%s", note)
	}
	for _, f := range r.Findings {
		if f.ID == "mine" {
			return true, nil
		}
	}
	return false, nil
}

func TestExpressions(t *testing.T) {
	for when, want := range map[string]bool{
		"wall_ns > 1000000000": true,
		"wall_ns > 1e9 * 3":    false,
		"verdict.class == 'cpu_bound' and verdict.confidence > .5": true,
		"sum(devices, .memcpy_ns) > 0.3 * wall_ns":                 true,
		"any(host.lines, .text contains 'open(') ":                 true,
		"any(host.lines, .text matches '^y')":                      false,
		"len(host.lines) == 300":                                   true, // cut
		"verdict.line.line == 0":                                   true, // null
		"devices[0].sensors.power_avg_w == 0":                      true, // null too
		"devices[1].sensors.power_avg_w > 250":                     true,
		"count(devices, any(findings, .id == 'sleep')) == 2":       true,
		"none(findings, .severity == 'high')":                      false,
	} {
		if got, err := holds(t, when); got != want || err != nil {
			t.Errorf("%s: %t, %v", when, got, err)
		}
	}
}

// What is no sensible expression is refused when it is read, by the name of its rule and its line.
func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		rule("x", "wall_ms > 1"):                         `config.toml, line 1: rule "x": unknown name wall_ms (column 1)`,
		rule("x", "verdict.clas == 'a'"):                 `rule "x": type struct`,
		rule("x", "wall_ns"):                             `rule "x": expected bool, but got int64`,
		rule("x", "wall_ns > "):                          `rule "x": unexpected token EOF`,
		rule("x", "wall_ns > 'a'"):                       `rule "x": invalid operation`,
		rule("x", "len(1..1000000) > 1"):                 `rule "x": ranges (..) are not allowed`,
		rule("x", "now().Year() > 1"):                    `rule "x": unknown name now`,
		rule("x", "len(repeat('a', 99)) > 1"):            `rule "x": unknown name repeat`,
		rule("x", strings.Repeat("!", 400)+"true"):       `rule "x": compilation failed: expression exceeds maximum allowed nodes`,
		rule("sleep", "true"):                            `rule "sleep": InferScope has a finding of this name`,
		rule("X", "true"):                                `rule "X": name must be small letters, digits and hyphens`,
		"[[rules]]\nwhen='true'\nadvice='a'":             `line 1: rule 1: name is missing`,
		"[[rules]]\nname='x'\nadvice='a'":                `line 1: rule "x": when is missing`,
		"[[rules]]\nname='x'\nwhen='true'":               `line 1: rule "x": advice is missing`,
		rule("x", "true") + "severity = 'urgent'":        `line 5: rule "x": severity must be info or low or medium or high, not "urgent"`,
		rule("x", "true") + "advise = 'a'":               `line 5: rule "x": there is no key "advise"`,
		rule("x", "true") + "title = 5":                  `line 5: rule "x": title must be a text`,
		rule("x", strings.Repeat("a", 3000)):             `line 3: rule "x": when must have 1 to 2000 bytes`,
		"rules = 5":                                      `line 1: rules must be an array of tables: [[rules]]`,
		"rules = [5]":                                    `line 1: rule 1 must be a table`,
		"ruls = 5":                                       `line 1: there is no setting "ruls"`,
		"hz = 5\n" + rule("a", "true") + rule("b", "y+"): `config.toml, line 6: rule "b": `,
	} {
		resolved, set := resolve(t, text)
		if len(resolved.Problems) != 1 || !strings.Contains(resolved.Problems[0].String(), want) {
			t.Errorf("%.80q: %q, want %q", text, resolved.Problems, want)
		}
		for i := range set.rules {
			if set.rules[i].Name != "a" {
				t.Errorf("%.80q: rule %s counts", text, set.rules[i].Name)
			}
		}
		if note := resolved.Note(); strings.ContainsAny(note, "\n\r") || len(note) > 600 {
			t.Errorf("%.80q: %q", text, note)
		}
	}
}

func rule(name, when string) string {
	return fmt.Sprintf("[[rules]]\nname = %q\nwhen = %q\nadvice = 'Do it.'\n", name, when)
}

// A finding of the user's is where its severity belongs, after what saves time; nothing is healthy then.
func TestWhereAFindingGoes(t *testing.T) {
	_, set := resolve(t, rule("first", "true")+"severity = 'info'\n"+rule("second", "wall_ns > 5")+"severity = 'high'\ntitle = 'Slow'\n"+rule("third", "false"))
	r := sample()
	r.Findings = append(r.Findings, result.Finding{ID: findings.Healthy, Severity: result.Info})
	set.Apply(r)
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.ID)
	}
	if got := strings.Join(ids, " "); got != "sleep second memory-growth first" {
		t.Errorf("%s", got)
	}
	f := r.Findings[1]
	if f.Title != "Slow" || f.Severity != result.High || f.Advice != "Do it." || f.Evidence != "Your rule holds: `wall_ns > 5`." || f.Saving.HighNs != 0 ||
		f.Confidence != 0.8 || len(f.Why) != 1 || !strings.Contains(f.Why[0], "config.toml, line 6") || f.Spans == nil {
		t.Errorf("%+v", f)
	}
	if r.Findings[3].Title != "first" {
		t.Errorf("%+v", r.Findings[3])
	}
}

// An expression that would take for ever is ended, and said; so is one that makes too much, and one that fails.
func TestExpressionsAreBounded(t *testing.T) {
	for when, want := range map[string]string{
		"any(host.lines, any(host.lines, any(host.lines, any(host.lines, wall_ns == 0))))":   "it takes too long",
		"any(host.lines, any(host.lines, host.lines == map(host.lines, #) and wall_ns < 0))": "",
		"len(map(host.lines, map(host.lines, 1))) > 5 and false":                             "",
		"len(map(host.lines, map(host.lines, map(host.lines, 1)))) > 5":                      "memory budget exceeded",
		"devices[7].kernels > 1":      "index out of range",
		"1 % devices[0].memsets == 1": "divide by zero",
	} {
		_, err := holds(t, when)
		switch {
		case want == "" && err == nil:
		case err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `The rule "mine" (f, line 3) could not be evaluated: `):
			t.Errorf("%s: %v, want %q", when, err, want)
		}
	}
}

// Of two rules of one name the project's counts, and fifty are enough.
func TestManyRules(t *testing.T) {
	var text strings.Builder
	for i := range 60 {
		text.WriteString(rule(fmt.Sprintf("rule-%d", i), "true"))
	}
	resolved, set := resolve(t, text.String())
	if len(set.rules) != config.MaxRules || len(resolved.Problems) != 1 || !strings.Contains(resolved.Problems[0].What, "there are 60 rules, and the first 50 count") {
		t.Errorf("%d rules, %v", len(set.rules), resolved.Problems)
	}
	_, set = resolve(t, rule("x", "true")+rule("x", "false"))
	r := sample()
	set.Apply(r)
	if len(set.rules) != 1 || len(r.Findings) != 2 {
		t.Errorf("%+v", r.Findings)
	}
}

func FuzzRule(f *testing.F) {
	for _, when := range []string{"wall_ns > 1", "any(devices, .kernels > 1)", "sum(host.lines, .hits) == 0", "let x = devices; len(x) > 0", "verdict?.line?.text == ''",
		"all(findings, {.saving.high_ns > 0 || #index > 3})", "host.lines[1:2] == nil", "keys(devices[1].sensors.throttled)[0] == 'power cap'", "true ? false : true", "__tick()"} {
		f.Add(when)
	}
	f.Fuzz(func(t *testing.T, when string) {
		one, err := compile(when)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q", err)
			}
			return
		}
		Set{[]compiled{one}}.Apply(sample())
	})
}
