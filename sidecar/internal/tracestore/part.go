package tracestore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// groupRows is the length of a row group: what a reader decodes at a time.
	groupRows = 128 << 10
	// partBytes closes a part whose file has reached it.
	partBytes = 128 << 20
	// dictionaryBytes is where a column's dictionary gives way to plain texts.
	dictionaryBytes = 4 << 20
	// batchRows is how many rows are handed to the Parquet writer at a time.
	batchRows = 1024
	// partial ends the name of a part that is being written.
	partial = ".partial"
)

// partInfo is a finished part.
type partInfo struct {
	Table string `json:"table"`
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	// Spilled parts were written while the cell ran: see Writer.
	Spilled bool `json:"spilled,omitempty"`
}

// parts writes one table: rows into an open part, which becomes a file of its own
// when it is full. One goroutine at a time may use it.
type parts[T any] struct {
	w      *Writer
	table  string
	rows   []T
	open   *os.File
	buffer *bufio.Writer
	size   *counted
	file   *parquet.GenericWriter[T]
	// written is the rows of the open part.
	written int64
	number  int
}

// counted counts the bytes that pass.
type counted struct {
	to *bufio.Writer
	n  int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

func newParts[T any](w *Writer, table string) *parts[T] {
	return &parts[T]{w: w, table: table, rows: make([]T, 0, batchRows)}
}

// add writes a row.
func (p *parts[T]) add(row T) error {
	p.rows = append(p.rows, row)
	if len(p.rows) < batchRows {
		return nil
	}
	return p.flush()
}

// flush hands the rows that wait to the open part, and closes the part when it is full.
func (p *parts[T]) flush() error {
	if len(p.rows) == 0 {
		return nil
	}
	if err := p.begin(); err != nil {
		return err
	}
	if _, err := p.file.Write(p.rows); err != nil {
		return p.failed(err)
	}
	p.written += int64(len(p.rows))
	clear(p.rows) // their texts may belong to a timeline that is gone by the next row
	p.rows = p.rows[:0]
	if p.written >= p.w.options.PartRows || p.size.n >= partBytes {
		return p.close()
	}
	return nil
}

func (p *parts[T]) name() string { return fmt.Sprintf("%s-%05d.parquet", p.table, p.number) }

func (p *parts[T]) begin() error {
	if p.file != nil {
		return nil
	}
	if p.number > maxParts {
		return p.failed(errors.New("too many parts"))
	}
	path := filepath.Join(p.w.dir, p.name()+partial)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return p.failed(err)
	}
	p.open, p.buffer = f, bufio.NewWriterSize(f, 128<<10)
	p.size = &counted{to: p.buffer}
	p.file = parquet.NewGenericWriter[T](p.size,
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.DataPageVersion(1), // without levels before the values: the form that every reader knows
		parquet.MaxRowsPerRowGroup(min(groupRows, p.w.options.PartRows)),
		parquet.DictionaryMaxBytes(dictionaryBytes),
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain),
		parquet.CreatedBy("inferscope", p.w.tool, ""))
	return nil
}

// close finishes the open part: a complete file, under its name. A table without any
// row gets one part, so that the name matches in every trace.
func (p *parts[T]) close() error {
	if p.file == nil {
		if p.number > 0 {
			return nil
		}
		if err := p.begin(); err != nil {
			return err
		}
	}
	err := p.file.Close()
	if e := p.buffer.Flush(); err == nil {
		err = e
	}
	if e := p.open.Close(); err == nil {
		err = e
	}
	p.file, p.buffer, p.open = nil, nil, nil
	if err != nil {
		return p.failed(err)
	}
	path := filepath.Join(p.w.dir, p.name())
	if err := os.Rename(path+partial, path); err != nil {
		return p.failed(err)
	}
	p.w.finished(partInfo{Table: p.table, File: p.name(), Rows: p.written, Bytes: p.size.n, Spilled: p.w.spilling})
	p.number++
	p.written = 0
	return nil
}

// finish writes what waits and closes the open part.
func (p *parts[T]) finish() error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.close()
}

// settle writes what waits and closes the open part, if there is any.
func (p *parts[T]) settle() error {
	if err := p.flush(); err != nil || p.file == nil {
		return err
	}
	return p.close()
}

// abandon closes the open part's file without finishing it.
func (p *parts[T]) abandon() {
	if p.open != nil {
		_ = p.open.Close()
		p.file, p.buffer, p.open = nil, nil, nil
	}
	p.rows = nil
}

func (p *parts[T]) failed(err error) error { return fmt.Errorf("table %s: %w", p.table, err) }
