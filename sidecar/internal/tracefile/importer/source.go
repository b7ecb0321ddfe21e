package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// HeadBytes is how much of a trace Detect sees.
const HeadBytes = 4096

// maxSpool bounds what a compressed trace may unfold to on disk.
const maxSpool = 64 << 30

var gzipMagic = []byte{0x1f, 0x8b}

// Source is a trace file, opened for reading.
type Source struct {
	// Path is the file's, as the user gave it.
	Path string
	file *os.File
	size int64
	gzip bool
	head []byte
}

// OpenSource opens a regular file and looks at its beginning. The caller closes it.
func OpenSource(path string) (*Source, error) {
	info, err := os.Stat(path) // before it is opened: to open a pipe waits for whoever writes to it
	if err == nil {
		switch {
		case info.IsDir():
			return nil, &Error{Reason: "it is a folder", Hint: "name the trace file inside of it"}
		case !info.Mode().IsRegular():
			return nil, &Error{Reason: "it is no regular file", Hint: "save the trace to a file first"}
		case info.Size() == 0:
			return nil, &Error{Where: "byte 0", Reason: "it is empty", Hint: "the program that wrote it may have been stopped; record it again"}
		}
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if err != nil {
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err // the path is said by whoever shows the error
		}
		return nil, &Error{Reason: "it cannot be opened", Err: err, Hint: "check the path and its permissions"}
	}
	s := &Source{Path: path, file: file, size: info.Size()}
	if err := s.look(); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

func (s *Source) look() error {
	raw := make([]byte, HeadBytes)
	n, err := s.file.ReadAt(raw, 0)
	if err != nil && err != io.EOF {
		return &Error{Where: "byte 0", Reason: "it cannot be read", Err: err}
	}
	s.head = raw[:n]
	if s.gzip = bytes.HasPrefix(s.head, gzipMagic); !s.gzip {
		return nil
	}
	z, err := gzip.NewReader(io.NewSectionReader(s.file, 0, s.size))
	if err != nil {
		return badGzip(0, err)
	}
	head := make([]byte, HeadBytes)
	n, err = io.ReadFull(z, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return badGzip(int64(n), err)
	}
	s.head = head[:n]
	return nil
}

// Head is the beginning of the trace, decompressed.
func (s *Source) Head() []byte { return s.head }

// Compressed says that the file is compressed: places in it are those of the decompressed trace.
func (s *Source) Compressed() bool { return s.gzip }

// Close closes the file.
func (s *Source) Close() error { return s.file.Close() }

// Place words a position in the trace.
func (s *Source) Place(at int64) string {
	if s.gzip {
		return fmt.Sprintf("byte %d, decompressed", at)
	}
	return fmt.Sprintf("byte %d", at)
}

func badGzip(at int64, err error) error {
	return &Error{Where: fmt.Sprintf("byte %d, decompressed", at), Reason: "the gzip stream is damaged or ends early", Err: err,
		Hint: "copy or record the trace again"}
}

// Stream reads the trace from its start, decompressed in a goroutine of its own, until
// ctx ends. The caller closes it before the source.
func (s *Source) Stream(ctx context.Context) (io.ReadCloser, error) {
	plain := io.NewSectionReader(s.file, 0, s.size)
	if !s.gzip {
		return io.NopCloser(&interruptible{ctx, plain}), nil
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(plain, 256<<10))
	if err != nil {
		return nil, badGzip(0, err)
	}
	return readAhead(&interruptible{ctx, z}), nil
}

// interruptible is a reader that fails once its context has ended.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// The blocks that one goroutine decompresses ahead of the other.
const (
	aheadBlocks = 4
	aheadBytes  = 256 << 10
)

type block struct {
	data []byte
	err  error
}

// ahead is the reading end of a goroutine that decompresses.
type ahead struct {
	full  chan block
	empty chan []byte
	stop  chan struct{}
	done  chan struct{}
	now   block
	rest  []byte
	at    int64
}

// readAhead starts the goroutine; Close ends it and waits for it.
func readAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan block, aheadBlocks), empty: make(chan []byte, aheadBlocks), stop: make(chan struct{}), done: make(chan struct{})}
	for range aheadBlocks {
		a.empty <- make([]byte, aheadBytes)
	}
	go func() {
		defer close(a.done)
		for {
			var buffer []byte
			select {
			case buffer = <-a.empty:
			case <-a.stop:
				return
			}
			n, err := io.ReadFull(r, buffer)
			if err == io.ErrUnexpectedEOF && n < len(buffer) {
				// ReadFull says so for a short end; a truncated gzip stream says it by itself, on the next read.
				_, err = r.Read(make([]byte, 1))
				if err == nil {
					err = io.ErrUnexpectedEOF
				}
			}
			select {
			case a.full <- block{buffer[:n], err}:
			case <-a.stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return a
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			if a.now.err == io.EOF || errors.Is(a.now.err, context.Canceled) || errors.Is(a.now.err, context.DeadlineExceeded) {
				return 0, a.now.err
			}
			return 0, badGzip(a.at, a.now.err)
		}
		if a.now.data != nil {
			a.empty <- a.now.data[:cap(a.now.data)]
		}
		a.now = <-a.full
		a.rest = a.now.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	a.at += int64(n)
	return n, nil
}

func (a *ahead) Close() error {
	close(a.stop)
	<-a.done
	return nil
}

// Random gives random access to the decompressed trace and its size. A compressed one
// is unfolded into a file of the user's alone, which has no name once this returns;
// release frees it. most is how many bytes the trace says that it has, 0 where it does
// not: what a compressed one has beyond them is left folded.
func (s *Source) Random(ctx context.Context, most int64) (r io.ReaderAt, size int64, release func(), err error) {
	if !s.gzip {
		return s.file, s.size, func() {}, nil
	}
	temporary, err := os.CreateTemp("", "trace-import-*") // mode 0600
	if err != nil {
		return nil, 0, nil, &Error{Reason: "there is no place to decompress it to", Err: err, Hint: "set TMPDIR to a folder with room"}
	}
	release = func() { temporary.Close() }
	// Unlinked at once: however this process ends, nothing is left behind.
	if err := os.Remove(temporary.Name()); err != nil {
		release()
		return nil, 0, nil, &Error{Reason: "its temporary copy cannot be unlinked", Err: err}
	}
	stream, err := s.Stream(ctx)
	if err != nil {
		release()
		return nil, 0, nil, err
	}
	defer stream.Close()
	if most <= 0 || most > maxSpool {
		most = maxSpool
	}
	// One byte more: the end of the stream tells whether it is intact.
	size, err = io.Copy(temporary, io.LimitReader(stream, most+1))
	switch {
	case err != nil:
		release()
		var told *Error
		if errors.As(err, &told) || ctx.Err() != nil {
			return nil, 0, nil, err
		}
		return nil, 0, nil, &Error{Reason: "it cannot be decompressed to a temporary file", Err: err, Hint: "set TMPDIR to a folder with room"}
	case size > maxSpool:
		release()
		return nil, 0, nil, &Error{Where: s.Place(maxSpool), Reason: fmt.Sprintf("it unfolds to more than %d GiB", int64(maxSpool)>>30)}
	}
	return temporary, size, release, nil
}
