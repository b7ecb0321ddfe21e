package tracestore

import (
	"fmt"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracestore/parquetread"
)

// groupReader reads the columns of one row group. The first error stays, and every
// later column is empty: err is looked at before the rows are used.
type groupReader struct {
	file  *parquetread.File
	group int
	rows  int
	err   error
}

func (g *groupReader) column(name string) *parquetread.Column {
	if g.err != nil {
		return &parquetread.Column{}
	}
	c, err := g.file.Column(g.group, name)
	if err != nil {
		g.err = err
		return &parquetread.Column{}
	}
	return c
}

func (g *groupReader) typed(name string, n int) {
	if g.err == nil && n != g.rows {
		g.err = fmt.Errorf("column %q has another type", name)
	}
}

func (g *groupReader) ints(name string) []int64 {
	c := g.column(name)
	g.typed(name, len(c.Ints))
	return c.Ints
}

func (g *groupReader) floats(name string) []float64 {
	c := g.column(name)
	g.typed(name, len(c.Floats))
	return c.Floats
}

// texts is a column of texts: one number a row, into the texts that occur.
type texts struct {
	index []uint32
	text  []string
}

func (g *groupReader) texts(name string) texts {
	c := g.column(name)
	g.typed(name, len(c.Index))
	return texts{c.Index, c.Strings}
}

func (t texts) at(row int) string { return t.text[t.index[row]] }

// mapped is a column of texts turned into values: each text once.
type mapped[T any] struct {
	index  []uint32
	values []T
}

func (m mapped[T]) at(row int) T { return m.values[m.index[row]] }

func mapTexts[T any](t texts, value func(string) T) mapped[T] {
	out := mapped[T]{index: t.index, values: make([]T, len(t.text))}
	for i, text := range t.text {
		out.values[i] = value(text)
	}
	return out
}

// words reads a column of an enumeration; below is the number of its values that the
// model knows, 0 for all. A name that is none is an error.
func wordsOf[T ~uint8](g *groupReader, name string, w *words[T], below T) mapped[T] {
	return mapTexts(g.texts(name), func(text string) T {
		v, ok := w.value(text)
		if (!ok || below > 0 && v >= below) && g.err == nil {
			g.err = fmt.Errorf("column %q holds %.40q", name, text)
		}
		return v
	})
}

// names reads a column of texts as names of the timeline.
func (a *assembler) names(g *groupReader, name string) mapped[timeline.NameID] {
	t := g.texts(name)
	if g.err != nil { // names of a group that is not read would stay
		return mapped[timeline.NameID]{}
	}
	return mapTexts(t, a.b.Name)
}
