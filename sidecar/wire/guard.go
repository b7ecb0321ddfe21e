package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// ErrMalformed is wrapped by every error about bytes that are not a message.
var ErrMalformed = errors.New("wire: malformed message")

// class is the type of a msgpack value as its first byte tells it.
type class uint8

const (
	classNil class = iota
	classBool
	classInt
	classUint
	classFloat
	classString
	classBytes
	classArray
	classMap
	classExtension
)

func (c class) String() string {
	return [...]string{"nil", "bool", "int", "int", "float", "string", "binary", "array", "map", "extension"}[c]
}

// guard walks untrusted msgpack without allocating and without recursing deeper
// than the schema. What it accepts is safe to hand to a decoder: every length
// fits in the bytes that are there, the number of values is bounded, and every
// value has the type, and every struct exactly the fields, of the schema.
type guard struct {
	data   []byte
	off    int
	values int
}

func (g *guard) fail(path, format string, args ...any) error {
	if path != "" {
		path += ": "
	}
	return fmt.Errorf("%w: %s%s (at byte %d of %d)", ErrMalformed, path, fmt.Sprintf(format, args...), g.off, len(g.data))
}

// token is one value's head. For strings and binaries n is the length of the
// content, which follows and is present; for arrays and maps the number of
// elements or pairs; for numbers and bools the bits of the value.
type token struct {
	class class
	n     uint64
}

func (g *guard) next(path string) (token, error) {
	if g.values++; g.values > MaxValues {
		return token{}, g.fail(path, "more than %d values", MaxValues)
	}
	if g.off >= len(g.data) {
		return token{}, g.fail(path, "it ends too early")
	}
	c := g.data[g.off]
	g.off++
	switch {
	case c <= 0x7f:
		return token{classUint, uint64(c)}, nil
	case c <= 0x8f:
		return g.container(path, classMap, uint64(c&0x0f))
	case c <= 0x9f:
		return g.container(path, classArray, uint64(c&0x0f))
	case c <= 0xbf:
		return g.content(path, classString, uint64(c&0x1f))
	case c >= 0xe0:
		return token{classInt, uint64(int64(int8(c)))}, nil
	}
	switch c {
	case 0xc0:
		return token{classNil, 0}, nil
	case 0xc2, 0xc3:
		return token{classBool, uint64(c & 1)}, nil
	case 0xc4, 0xc5, 0xc6:
		n, err := g.number(path, 1<<(c-0xc4))
		if err != nil {
			return token{}, err
		}
		return g.content(path, classBytes, n)
	case 0xca:
		n, err := g.number(path, 4)
		return token{classFloat, n}, err
	case 0xcb:
		n, err := g.number(path, 8)
		return token{classFloat, n}, err
	case 0xcc, 0xcd, 0xce, 0xcf:
		n, err := g.number(path, 1<<(c-0xcc))
		return token{classUint, n}, err
	case 0xd0, 0xd1, 0xd2, 0xd3:
		width := 1 << (c - 0xd0)
		n, err := g.number(path, width)
		shift := 64 - 8*width
		return token{classInt, uint64(int64(n<<shift) >> shift)}, err
	case 0xd9, 0xda, 0xdb:
		n, err := g.number(path, 1<<(c-0xd9))
		if err != nil {
			return token{}, err
		}
		return g.content(path, classString, n)
	case 0xdc, 0xdd:
		n, err := g.number(path, 2<<(c-0xdc))
		if err != nil {
			return token{}, err
		}
		return g.container(path, classArray, n)
	case 0xde, 0xdf:
		n, err := g.number(path, 2<<(c-0xde))
		if err != nil {
			return token{}, err
		}
		return g.container(path, classMap, n)
	}
	// Extensions and the unused byte 0xc1: no message has them.
	return token{classExtension, 0}, nil
}

func (g *guard) number(path string, width int) (uint64, error) {
	if len(g.data)-g.off < width {
		return 0, g.fail(path, "it ends too early")
	}
	b := g.data[g.off : g.off+width]
	g.off += width
	switch width {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

func (g *guard) content(path string, c class, n uint64) (token, error) {
	if n > uint64(len(g.data)-g.off) {
		return token{}, g.fail(path, "a %s of %d bytes where %d bytes are left", c, n, len(g.data)-g.off)
	}
	return token{c, n}, nil
}

func (g *guard) container(path string, c class, n uint64) (token, error) {
	least := n // an element has at least one byte, a pair two
	if c == classMap {
		least = 2 * n
	}
	if least > uint64(len(g.data)-g.off) {
		return token{}, g.fail(path, "a %s of %d where %d bytes are left", c, n, len(g.data)-g.off)
	}
	return token{c, n}, nil
}

func (g *guard) take(n uint64) []byte {
	b := g.data[g.off : g.off+int(n)]
	g.off += int(n)
	return b
}

// text reads a string's content.
func (g *guard) text(path string) (string, error) {
	t, err := g.next(path)
	if err != nil {
		return "", err
	}
	if t.class != classString {
		return "", g.fail(path, "want string, got %s", t.class)
	}
	b := g.take(t.n)
	if !utf8.Valid(b) {
		return "", g.fail(path, "a string that is not UTF-8")
	}
	return string(b), nil
}

// check walks one value of the schema. path is for the error only.
func (g *guard) check(s *schema, path string) error {
	t, err := g.next(path)
	if err != nil {
		return err
	}
	switch s.kind {
	case kindBool:
		if t.class == classBool {
			return nil
		}
		return g.fail(path, "want bool, got %s", t.class)
	case kindInt, kindUint:
		return g.checkInteger(s, t, path)
	case kindFloat:
		if t.class == classFloat {
			return nil
		}
		return g.fail(path, "want float, got %s", t.class)
	case kindString:
		if t.class != classString {
			return g.fail(path, "want string, got %s", t.class)
		}
		if !utf8.Valid(g.take(t.n)) {
			return g.fail(path, "a string that is not UTF-8")
		}
		return nil
	case kindBytes:
		if t.class != classBytes {
			return g.fail(path, "want binary, got %s", t.class)
		}
		g.take(t.n)
		return nil
	case kindSlice:
		if t.class != classArray {
			return g.fail(path, "want array, got %s", t.class)
		}
		for range t.n {
			if err := g.check(s.elem, path); err != nil {
				return err
			}
		}
		return nil
	case kindMap:
		if t.class != classMap {
			return g.fail(path, "want map, got %s", t.class)
		}
		for range t.n {
			if _, err := g.text(path); err != nil {
				return err
			}
			if err := g.check(s.elem, path); err != nil {
				return err
			}
		}
		return nil
	}
	return g.checkStruct(s, t, path)
}

func (g *guard) checkInteger(s *schema, t token, path string) error {
	var fits bool
	switch {
	case t.class == classUint && s.kind == kindUint:
		fits = t.n <= math.MaxUint64>>(64-s.bits)
	case t.class == classUint:
		fits = t.n <= math.MaxUint64>>(65-s.bits)
	case t.class == classInt && s.kind == kindUint:
		fits = int64(t.n) >= 0 && t.n <= math.MaxUint64>>(64-s.bits)
	case t.class == classInt:
		v := int64(t.n)
		fits = v>>(s.bits-1) == 0 || v>>(s.bits-1) == -1
	default:
		return g.fail(path, "want int, got %s", t.class)
	}
	if !fits {
		return g.fail(path, "a number out of range")
	}
	return nil
}

func (g *guard) checkStruct(s *schema, t token, path string) error {
	if t.class != classMap {
		return g.fail(path, "want map, got %s", t.class)
	}
	if t.n != uint64(len(s.fields)) {
		return g.fail(path, "%s has %d fields, got %d", s.name, len(s.fields), t.n)
	}
	var seen uint64 // a bit a field; the tests keep every struct below 64
	for range t.n {
		name, err := g.text(path)
		if err != nil {
			return err
		}
		i, ok := s.byName[name]
		if !ok {
			return g.fail(path, "%s has no field %.40q", s.name, name)
		}
		if seen&(1<<i) != 0 {
			return g.fail(path, "field %q appears twice", name)
		}
		seen |= 1 << i
		if err := g.check(s.fields[i].schema, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}
