package kineto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/inferscope/inferscope/sidecar/internal/tracefile/importer"
)

// The bounds of what is read at once.
const (
	blockBytes = 1 << 20
	// maxEvent is the longest event: those with a long call stack have some kilobytes.
	maxEvent = 16 << 20
	// maxDepth is how deep lists and objects may nest: events nest some four deep.
	maxDepth = 128
)

// batch is a stretch of the list of events that holds whole events only.
type batch struct {
	seq int
	// at is the position of data in the trace.
	at   int64
	data []byte
	// bounds has the start and the end of each event in data.
	bounds []uint32
}

// splitter walks the top level of a trace and cuts its list of events into batches.
// It checks that brackets match and strings end; what is inside of an event is not its
// matter. It holds one block at a time.
type splitter struct {
	source *importer.Source
	r      io.Reader
	block  []byte
	pos, n int   // what is not looked at yet is block[pos:n]
	at     int64 // position of block[0] in the trace
	eof    bool
	seq    int
	// take gets a batch; it owns the batch's data. give makes a block of blockBytes.
	take func(batch) error
	give func() []byte

	lists int // how many lists of events there were
	// known gets the value, as text, of a top-level key that it wants.
	known func(key string, value []byte)
	wants func(key string) bool
}

func (s *splitter) fail(at int, format string, args ...any) error {
	return &importer.Error{Where: s.source.Place(s.at + int64(at)), Reason: fmt.Sprintf(format, args...),
		Hint: "is it a whole trace of the PyTorch profiler, or of another tool that writes Chrome's format?"}
}

func (s *splitter) short(at int) error {
	return &importer.Error{Where: s.source.Place(s.at + int64(at)), Reason: "the trace ends too early",
		Hint: "the program that wrote it may have been stopped; copy or record it again"}
}

// refill drops what lies before keep and reads more behind it; false at the end.
func (s *splitter) refill(keep int) (bool, error) {
	if s.eof {
		return false, nil
	}
	s.n = copy(s.block, s.block[keep:s.n])
	s.at += int64(keep)
	s.pos -= keep
	return s.read()
}

// read fills the block; false when nothing more came.
func (s *splitter) read() (bool, error) {
	before := s.n
	for s.n < len(s.block) && !s.eof {
		n, err := s.r.Read(s.block[s.n:])
		s.n += n
		switch {
		case err == io.EOF:
			s.eof = true
		case err != nil:
			var told *importer.Error
			if errors.As(err, &told) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				return false, err
			}
			return false, &importer.Error{Where: s.source.Place(s.at + int64(s.n)), Reason: "it cannot be read", Err: err}
		}
	}
	return s.n > before, nil
}

// next is the next byte that is no space, without taking it; 0 at the end.
func (s *splitter) next() (byte, error) {
	for {
		for ; s.pos < s.n; s.pos++ {
			if c := s.block[s.pos]; c > ' ' {
				return c, nil
			}
		}
		if more, err := s.refill(s.pos); err != nil || !more {
			return 0, err
		}
	}
}

// run walks the trace from its first byte to its last.
func (s *splitter) run() error {
	s.block = s.give()
	if _, err := s.read(); err != nil {
		return err
	}
	if bytes.HasPrefix(s.block[:s.n], []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	c, err := s.next()
	switch {
	case err != nil:
		return err
	case c == '[':
		s.pos++
		err = s.list()
	case c == '{':
		s.pos++
		err = s.object()
	case c == 0:
		return s.short(s.pos)
	default:
		return s.fail(s.pos, "a JSON object or list was expected")
	}
	if err != nil {
		return err
	}
	if c, err = s.next(); err != nil {
		return err
	} else if c != 0 {
		return s.fail(s.pos, "something follows the end of the trace")
	}
	return nil
}

// object walks the keys of the top-level object, behind its opening bracket.
func (s *splitter) object() error {
	for first := true; ; first = false {
		c, err := s.next()
		switch {
		case err != nil:
			return err
		case c == 0:
			return s.short(s.n)
		case c == '}':
			s.pos++
			if s.lists == 0 {
				return s.fail(s.pos-1, "the object has no list traceEvents")
			}
			return nil
		case !first && c != ',':
			return s.fail(s.pos, "a comma was expected")
		}
		if !first {
			s.pos++
			if c, err = s.next(); err != nil {
				return err
			}
		}
		if c != '"' {
			if c == 0 {
				return s.short(s.n)
			}
			return s.fail(s.pos, "a name in quotes was expected")
		}
		key, err := s.value()
		if err != nil {
			return err
		}
		name := string(bytes.Trim(key, `"`))
		if c, err = s.next(); err != nil {
			return err
		} else if c != ':' {
			if c == 0 {
				return s.short(s.n)
			}
			return s.fail(s.pos, "a colon was expected")
		}
		s.pos++
		if c, err = s.next(); err != nil {
			return err
		}
		switch {
		case name == "traceEvents" && c == '[':
			s.pos++
			err = s.list()
		case s.wants(name):
			var value []byte
			if value, err = s.value(); err == nil {
				s.known(name, value)
			}
		default:
			err = s.skip()
		}
		if err != nil {
			return err
		}
	}
}

// value takes a whole value, of at most a block; the result holds until the next call.
func (s *splitter) value() ([]byte, error) {
	for {
		end, err := s.scan(s.pos)
		if err != nil {
			return nil, err
		}
		if end >= 0 && (end < s.n || s.eof) {
			value := s.block[s.pos:end]
			s.pos = end
			return value, nil
		}
		if s.pos == 0 && s.n == len(s.block) {
			return nil, s.fail(0, "the value is longer than %d MiB", len(s.block)>>20)
		}
		if more, err := s.refill(s.pos); err != nil {
			return nil, err
		} else if !more {
			return nil, s.short(s.n)
		}
	}
}

// skip passes over a value of any length.
func (s *splitter) skip() error {
	depth := 0
	inString, escaped := false, false
	for {
		for ; s.pos < s.n; s.pos++ {
			c := s.block[s.pos]
			switch {
			case escaped:
				escaped = false
			case inString && c == '\\':
				escaped = true
			case c == '"':
				inString = !inString
				if !inString && depth == 0 {
					s.pos++
					return nil
				}
			case inString:
			case c == '{' || c == '[':
				if depth++; depth > maxDepth {
					return s.fail(s.pos, "it nests more than %d deep", maxDepth)
				}
			case c == '}' || c == ']':
				if depth == 0 {
					return nil
				}
				if depth--; depth == 0 {
					s.pos++
					return nil
				}
			case c == ',' && depth == 0:
				return nil
			}
		}
		if more, err := s.refill(s.pos); err != nil {
			return err
		} else if !more {
			return s.short(s.n)
		}
	}
}

// scan finds the end of the value at i, -1 when it lies behind the block. A literal
// that ends with the block may go on behind it.
func (s *splitter) scan(i int) (int, error) {
	b := s.block[:s.n]
	var stack [maxDepth]byte // the brackets that must close
	depth := 0
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			if i = stringEnd(b, i+1); i < 0 {
				return -1, nil
			}
			if depth == 0 {
				return i, nil
			}
			continue
		case '{', '[':
			if depth == maxDepth {
				return 0, s.fail(i, "it nests more than %d deep", maxDepth)
			}
			stack[depth] = c + 2 // both pairs of brackets are two apart
			depth++
		case '}', ']':
			if depth == 0 {
				return i, nil
			}
			depth--
			if stack[depth] != c {
				return 0, s.fail(i, "%q closes what %q opened", c, stack[depth]-2)
			}
			if depth == 0 {
				return i + 1, nil
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i, nil
			}
		}
		i++
	}
	if depth == 0 {
		return i, nil
	}
	return -1, nil
}

// stringEnd is the position behind the quote that ends a string; i is behind the one
// that began it. It is -1 when the string does not end in b.
func stringEnd(b []byte, i int) int {
	for {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return -1
		}
		j += i
		slashes := 0
		for k := j - 1; k >= i && b[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return j + 1
		}
		i = j + 1
	}
}

// list cuts the list of events into batches, from behind its opening bracket to behind
// its closing one.
func (s *splitter) list() error {
	s.lists++
	var bounds []uint32
	first := true

	for {
		// s.pos is where the next event, a comma or the end is to come.
		for s.pos < s.n && s.block[s.pos] <= ' ' {
			s.pos++
		}
		if s.pos == s.n {
			var err error
			if bounds, err = s.flush(bounds, s.pos); err != nil {
				return err
			}
			continue
		}
		c := s.block[s.pos]
		if c == ']' {
			end := s.pos + 1
			// What follows goes on in a block of its own: the batch takes this one.
			if err := s.send(bounds, end); err != nil {
				return err
			}
			return nil
		}
		start := s.pos
		if !first {
			if c != ',' {
				return s.fail(s.pos, "a comma or the end of the list of events was expected")
			}
			for start++; start < s.n && s.block[start] <= ' '; start++ {
			}
			if start == s.n {
				var err error
				if bounds, err = s.flush(bounds, s.pos); err != nil {
					return err
				}
				continue
			}
		}
		if c := s.block[start]; c == ',' || c == ']' || c == '}' {
			return s.fail(start, "an event was expected")
		}
		end, err := s.scan(start)
		if err != nil {
			return err
		}
		if end < 0 || end == s.n {
			if bounds, err = s.flush(bounds, s.pos); err != nil {
				return err
			}
			continue
		}
		bounds = append(bounds, uint32(start), uint32(end))
		s.pos, first = end, false
	}
}

// flush makes room: it sends the events of the block and reads on behind what is left
// of it from keep on. It fails at the end of the trace.
func (s *splitter) flush(bounds []uint32, keep int) ([]uint32, error) {
	if s.eof {
		return nil, s.short(s.n)
	}
	if keep == 0 && s.n == len(s.block) { // one event fills the block
		if len(s.block) >= maxEvent {
			return nil, s.fail(0, "an event is longer than %d MiB", maxEvent>>20)
		}
		larger := make([]byte, 2*len(s.block))
		copy(larger, s.block)
		s.block = larger
		_, err := s.read()
		return bounds[:0], err
	}
	if err := s.send(bounds, keep); err != nil {
		return nil, err
	}
	_, err := s.read()
	return nil, err
}

// send hands the block over up to end and goes on with what is left in another.
func (s *splitter) send(bounds []uint32, end int) error {
	rest := s.block[end:s.n]
	fresh := s.give()
	if len(rest) > len(fresh) {
		fresh = make([]byte, len(s.block))
	}
	n := copy(fresh, rest)
	full := batch{seq: s.seq, at: s.at, data: s.block[:end], bounds: bounds}
	s.block, s.pos, s.n, s.at = fresh, 0, n, s.at+int64(end)
	s.seq++
	return s.take(full)
}
