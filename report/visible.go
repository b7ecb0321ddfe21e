package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns s as one line of text that looks like what it is: control
// characters and those that reorder or hide text become their numbers, as in
// ⟨U+202E⟩; bytes that are not UTF-8 become �. At most limit characters
// of s are kept; a cut is marked and counted. A tab becomes four spaces. limit
// <= 0 keeps everything. It does not escape for any markup.
func Visible(s string, limit int) string {
	if plain(s) && (limit <= 0 || len(s) <= limit) {
		return s
	}
	var b strings.Builder
	n := 0
	for i, r := range s {
		if limit > 0 && n == limit {
			return b.String() + fmt.Sprintf("… (%s more)", Count(int64(utf8.RuneCountInString(s[i:]))))
		}
		n++
		switch {
		case r == '\t':
			b.WriteString("    ")
		case invisible(r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Span is a piece of prose.
type Span struct {
	Text string
	// Code tells that it stood between backticks.
	Code bool
}

// Spans cuts prose at its backticks. With an odd number of them, which nobody
// wrote on purpose, all of it is prose.
func Spans(s string) []Span {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 {
		return []Span{{s, false}}
	}
	spans := make([]Span, 0, len(parts))
	for i, part := range parts {
		if part != "" {
			spans = append(spans, Span{part, i%2 == 1})
		}
	}
	return spans
}

// VisibleBlock is Visible for text of several lines: at most lines lines of at
// most limit characters each, joined by newlines.
func VisibleBlock(s string, lines, limit int) string {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	parts := strings.Split(s, "\n")
	cut := 0
	if lines > 0 && len(parts) > lines {
		cut = len(parts) - lines
		parts = parts[:lines]
	}
	for i, p := range parts {
		parts[i] = Visible(p, limit)
	}
	if cut > 0 {
		parts = append(parts, "… ("+Plural(int64(cut), "more line")+")")
	}
	return strings.Join(parts, "\n")
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// invisible tells characters that change how other text looks without being
// seen. The joiners U+200C and U+200D stay: scripts and emoji need them.
func invisible(r rune) bool {
	switch {
	case r == 0x200c || r == 0x200d:
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xad, r == 0x2028, r == 0x2029, r >= 0xfff9 && r <= 0xfffb:
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// Columns is how many terminal columns s takes: wide characters count two,
// combining marks none.
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

func columns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// Fit cuts s to at most width terminal columns, marking a cut with "…".
func Fit(s string, width int) string {
	if Columns(s) <= width {
		return s
	}
	if width <= 0 {
		return ""
	}
	n := 0
	for i, r := range s {
		if n+columns(r) > width-1 {
			return s[:i] + "…"
		}
		n += columns(r)
	}
	return s
}
