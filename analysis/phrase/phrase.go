// Package phrase words numbers and source lines for the sentences that analyses
// write. Everything it returns is one line of plain text.
package phrase

import (
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/inferscope/inferscope/analysis/result"
)

// Duration writes ns with two significant digits, the precision that a sentence
// needs: "2.4 s", "38 ms", "3 min 20 s". Negative durations are written as 0.
func Duration(ns int64) string {
	if ns <= 0 {
		return "0 s"
	}
	if ns >= 60e9 {
		s := int64(math.Round(float64(ns) / 1e9))
		if s < 3600 {
			return strconv.FormatInt(s/60, 10) + " min " + strconv.FormatInt(s%60, 10) + " s"
		}
		return strconv.FormatInt(s/3600, 10) + " h " + strconv.FormatInt(s%3600/60, 10) + " min"
	}
	ns = Round(ns)
	for _, u := range []struct {
		ns   int64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}} {
		if ns >= u.ns {
			v := float64(ns) / float64(u.ns)
			if v < 10 {
				return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + u.name
			}
			return strconv.FormatFloat(v, 'f', 0, 64) + " " + u.name
		}
	}
	return "0 s"
}

// Round keeps two significant digits: more would claim a precision that a
// prediction does not have.
func Round(ns int64) int64 {
	if ns < 100 {
		return ns
	}
	unit := int64(1)
	for ns/unit >= 100 {
		unit *= 10
	}
	return (ns + unit/2) / unit * unit
}

// Percent writes a share of 0..1 as "82%", "4.2%" or "<0.1%".
func Percent(share float64) string {
	p := share * 100
	switch {
	case math.IsNaN(p) || p <= 0:
		return "0%"
	case p < 0.1:
		return "<0.1%"
	case p < 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(p, 'f', 1, 64), ".0") + "%"
	case p >= 99.5 && p < 99.999:
		return ">99%"
	}
	return strconv.FormatFloat(min(p, 100), 'f', 0, 64) + "%"
}

// Count writes n with its noun: "1 wait", "480 waits".
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

const maxCode = 60

// Line names a line with its text: "line 5 (`time.sleep(0.005)`)"; "line 5" when
// the text is not known, and "no line of the cell" for line 0.
func Line(l result.Line) string {
	if l.Number <= 0 {
		return "no line of the cell"
	}
	out := "line " + strconv.Itoa(int(l.Number))
	if code := Code(l.Text); code != "" {
		out += " (`" + code + "`)"
	}
	return out
}

// Code is source text fit for a sentence: on one line, without backticks and
// control characters, cut to a bounded length.
func Code(text string) string {
	if len(text) > 4*maxCode+64 {
		text = text[:4*maxCode+64]
	}
	text = Plain(text)
	if r := []rune(text); len(r) > maxCode {
		text = strings.TrimSpace(string(r[:maxCode-1])) + "…"
	}
	return text
}

// Plain is hostile text on one line: control and formatting characters and
// backticks become spaces, runs of spaces become one.
func Plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '`' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// Bytes writes a size: "1.5 GiB".
func Bytes(n int64) string {
	for _, u := range []struct {
		n    int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.n {
			return strconv.FormatFloat(float64(n)/float64(u.n), 'f', 1, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(max(n, 0), 10) + " B"
}

var kindWords = map[result.CauseKind]string{
	result.CauseGC: "garbage collection", result.CauseGIL: "waiting for the GIL", result.CauseLock: "waiting for a lock",
	result.CauseHostIO: "reading and writing files", result.CauseNetworkIO: "waiting for the network", result.CauseSleep: "sleeping",
	result.CausePageFault: "bringing in memory", result.CausePreempted: "waiting for a CPU", result.CauseChild: "waiting for a child process",
	result.CausePoll: "waiting for events", result.CauseGPUDriver: "waiting in the GPU driver", result.CauseSyscall: "system calls",
	result.CausePython: "running Python", result.CauseNative: "running compiled code", result.CauseUnknown: "not explained",
}

// Kind is a cause as something that the main thread was doing: "waiting for the GIL".
func Kind(k result.CauseKind) string {
	if w, ok := kindWords[k]; ok {
		return w
	}
	return Plain(strings.ReplaceAll(string(k), "_", " "))
}
