package text

import (
	"bytes"
	"strings"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

// Terminal is what a text is written for. The zero value is one of 80 columns without colours.
type Terminal struct {
	// Columns is its width; 0 is 80. Beyond what can be read in one line it is not used.
	Columns int
	// Colour says that it shows colours, and that they are wanted.
	Colour bool
}

// What a report needs, and what is read with ease.
const (
	usualColumns = 80
	leastColumns = 60
	mostColumns  = 140
)

// style is a sequence that a terminal understands; the colours are those of its own theme.
type style string

const (
	plain style = ""
	bold  style = "\x1b[1m"
	dim   style = "\x1b[2m"
	red   style = "\x1b[31m"
	green style = "\x1b[32m"
	hot   style = "\x1b[1;31m"
	reset       = "\x1b[0m"
)

// styleOf is how the sentence about a difference looks.
func styleOf(o result.Outcome) style {
	switch o {
	case result.Faster:
		return "\x1b[1;32m"
	case result.Slower:
		return hot
	}
	return bold
}

// screen is a text that is being written.
type screen struct {
	bytes.Buffer
	width  int
	colour bool
	style  style // of the rows that follow
}

func (t Terminal) screen() *screen {
	columns := t.Columns
	if columns == 0 {
		columns = usualColumns
	}
	return &screen{width: min(max(columns, leastColumns), mostColumns), colour: t.Colour}
}

// in writes what write writes in a style.
func (b *screen) in(s style, write func()) {
	before := b.style
	b.style = s
	write()
	b.style = before
}

// styled is a row in a style.
func (b *screen) styled(s style, text string) { b.in(s, func() { row(b, text) }) }

// title begins a section.
func (b *screen) title(text string) {
	b.WriteByte('\n')
	b.styled(bold, text)
}

// row writes one line, cut to the width.
func row(b *screen, s string) {
	s = strings.TrimRight(report.Fit(s, b.width), " ")
	if b.colour && b.style != plain && s != "" {
		s = string(b.style) + s + reset
	}
	b.WriteString(s + "\n")
}

// wrap writes words in lines of at most the width: the first after first, the others after rest. A longer word is cut.
func wrap(b *screen, first, rest, s string) {
	line, words := first, 0
	for _, word := range strings.Fields(s) {
		if words > 0 && report.Columns(line)+1+report.Columns(word) > b.width {
			row(b, line)
			line, words = rest, 0
		}
		if words > 0 {
			line += " "
		}
		line += word
		words++
	}
	if words > 0 {
		row(b, line)
	}
}
