package parquetread

import (
	"bufio"
	"errors"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The compression codecs and page types that are read.
const (
	codecNone = 0
	codecZstd = 6

	pageData       = 0
	pageDictionary = 2
)

// maxPageHeader bounds the bytes of a page's header; statistics of texts may be in it.
const maxPageHeader = 64 << 10

// pageReader reads the pages of column chunks and keeps its buffers between them.
type pageReader struct {
	buffer           *bufio.Reader
	compressed, page []byte
}

type pageHeader struct {
	kind                     int64
	uncompressed, compressed int64
	crc                      uint32
	hasCRC                   bool
	values, encoding         int64
}

// decoder is shared: DecodeAll may be called by several goroutines.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecoderLowmem(true))
})

func (p *pageReader) read(r io.Reader, c chunk, rows int) (*Column, error) {
	if p.buffer == nil {
		p.buffer = bufio.NewReaderSize(r, maxPageHeader)
	}
	b := p.buffer
	b.Reset(r)
	out := newColumn(c.kind, rows)
	if out == nil {
		return nil, malformed("it has the type %d", c.kind)
	}
	first := true
	for out.rows() < rows {
		h, err := nextHeader(b)
		if err != nil {
			return nil, err
		}
		page, err := p.body(b, h, c.codec)
		if err != nil {
			return nil, err
		}
		switch {
		case h.kind == pageDictionary && first:
			if h.values < 0 || h.values > int64(len(page)) || h.encoding != encodingPlain && h.encoding != encodingPlainDictionary {
				return nil, malformed("a dictionary of %d values in encoding %d", h.values, h.encoding)
			}
			err = out.setDictionary(page, int(h.values))
		case h.kind == pageData:
			if h.values < 0 || h.values > int64(rows-out.rows()) {
				return nil, malformed("a page of %d values where %d are left", h.values, rows-out.rows())
			}
			err = out.add(page, int(h.values), h.encoding)
		default:
			return nil, malformed("a page of type %d", h.kind)
		}
		if err != nil {
			return nil, err
		}
		first = false
	}
	return out, nil
}

func nextHeader(b *bufio.Reader) (pageHeader, error) {
	peeked, err := b.Peek(maxPageHeader)
	if len(peeked) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = malformed("its pages hold fewer values than it has")
		}
		return pageHeader{}, err
	}
	t := &thrift{data: peeked}
	h := pageHeader{kind: -1, values: -1}
	sizes := func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			h.values = t.int()
		case id == 2 && kind == thriftI32:
			h.encoding = t.int()
		default:
			return false
		}
		return true
	}
	t.fields(func(id int16, kind byte) bool {
		switch {
		case id == 1 && kind == thriftI32:
			h.kind = t.int()
		case id == 2 && kind == thriftI32:
			h.uncompressed = t.int()
		case id == 3 && kind == thriftI32:
			h.compressed = t.int()
		case id == 4 && kind == thriftI32:
			h.crc, h.hasCRC = uint32(t.int()), true
		case (id == 5 || id == 7) && kind == thriftStruct:
			t.fields(sizes)
		default:
			return false
		}
		return true
	})
	if t.err != nil {
		return h, malformed("a page's header %v", t.err)
	}
	if h.compressed < 0 || h.compressed > maxPage || h.uncompressed < 0 || h.uncompressed > maxPage {
		return h, malformed("a page of %d bytes", max(h.compressed, h.uncompressed))
	}
	_, err = b.Discard(t.at)
	return h, err
}

// body is the page's content, valid until the next call.
func (p *pageReader) body(b *bufio.Reader, h pageHeader, codec int64) ([]byte, error) {
	// Grown as the bytes arrive: the header's length is not worth an allocation of its size.
	p.compressed = p.compressed[:0]
	for int64(len(p.compressed)) < h.compressed {
		n := min(h.compressed-int64(len(p.compressed)), 1<<20)
		at := len(p.compressed)
		p.compressed = append(p.compressed, make([]byte, n)...)
		if _, err := io.ReadFull(b, p.compressed[at:]); err != nil {
			return nil, malformed("a page ends early")
		}
	}
	if h.hasCRC && crc32.ChecksumIEEE(p.compressed) != h.crc {
		return nil, malformed("a page's checksum does not match its content")
	}
	switch codec {
	case codecNone:
		if h.compressed != h.uncompressed {
			return nil, malformed("a page of %d bytes that should have %d", h.compressed, h.uncompressed)
		}
		return p.compressed, nil
	case codecZstd:
		d, err := decoder()
		if err != nil {
			return nil, err
		}
		p.page, err = d.DecodeAll(p.compressed, p.page[:0])
		if err != nil {
			return nil, malformed("a page does not decompress: %v", err)
		}
		if int64(len(p.page)) != h.uncompressed {
			return nil, malformed("a page of %d bytes that should have %d", len(p.page), h.uncompressed)
		}
		return p.page, nil
	}
	return nil, malformed("the compression %d", codec)
}
