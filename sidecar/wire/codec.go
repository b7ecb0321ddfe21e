package wire

//go:generate go run ./gen

import (
	"bytes"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Message is a pointer to, or a value of, one of the message structs of this package.
type Message any

// VersionError says that a message is of another version of the protocol.
// Nothing else of that message was looked at.
type VersionError struct {
	// Got is the version that the other side speaks.
	Got uint64
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("wire: the message is of version %d of the protocol, want %d", e.Got, Version)
}

// Error makes the message an error, for the side that sends it.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Envelope is one message as it travels: the msgpack array
// [version, type, sequence, body]. The version comes first, so that whatever
// changes behind it, a mismatch is seen as one.
type Envelope struct {
	// Type is the message struct's name.
	Type string
	// Seq is the request's number, which its answer repeats; 0 asks for no answer.
	Seq uint64
	// Body is the message, a msgpack map, not yet looked at. It refers to the
	// bytes given to Open.
	Body []byte
}

// Name returns the name that m has on the wire.
func Name(m Message) string {
	t := reflect.TypeOf(m)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// Encode returns m in its envelope. A nil slice or map of m travels as an empty
// one. It fails for a type that is no message and for more than MaxFrame bytes.
func Encode(m Message, seq uint64) ([]byte, error) {
	v := reflect.Indirect(reflect.ValueOf(m))
	if !v.IsValid() || messages[v.Type().Name()] != v.Type() {
		return nil, fmt.Errorf("wire: encode: %T is no message", m)
	}
	var buf bytes.Buffer
	w := writer{enc: msgpack.NewEncoder(&buf)}
	w.try(w.enc.EncodeArrayLen(4))
	w.try(w.enc.EncodeUint(Version))
	w.try(w.enc.EncodeString(v.Type().Name()))
	w.try(w.enc.EncodeUint(seq))
	w.value(schemaOf(v.Type()), v)
	if w.err != nil {
		return nil, fmt.Errorf("wire: encode %s: %w", v.Type().Name(), w.err)
	}
	if buf.Len() > MaxFrame {
		return nil, fmt.Errorf("wire: encode %s: %d bytes, at most %d can be sent", v.Type().Name(), buf.Len(), MaxFrame)
	}
	return buf.Bytes(), nil
}

// writer encodes by the schema rather than by the library's reflection, because
// that would write nil for an empty collection.
type writer struct {
	enc *msgpack.Encoder
	err error
}

func (w *writer) try(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) value(s *schema, v reflect.Value) {
	switch s.kind {
	case kindBool:
		w.try(w.enc.EncodeBool(v.Bool()))
	case kindInt:
		w.try(w.enc.EncodeInt(v.Int()))
	case kindUint:
		w.try(w.enc.EncodeUint(v.Uint()))
	case kindFloat:
		w.try(w.enc.EncodeFloat64(v.Float()))
	case kindString:
		// Names from the system (a thread's, a path) may hold any bytes.
		w.try(w.enc.EncodeString(strings.ToValidUTF8(v.String(), "\uFFFD")))
	case kindBytes:
		b := v.Bytes()
		if b == nil {
			b = []byte{}
		}
		w.try(w.enc.EncodeBytes(b))
	case kindSlice:
		w.try(w.enc.EncodeArrayLen(v.Len()))
		for i := range v.Len() {
			w.value(s.elem, v.Index(i))
		}
	case kindMap:
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		w.try(w.enc.EncodeMapLen(len(keys)))
		for _, k := range keys {
			w.try(w.enc.EncodeString(k.String()))
			w.value(s.elem, v.MapIndex(k))
		}
	case kindStruct:
		w.try(w.enc.EncodeMapLen(len(s.fields)))
		for _, f := range s.fields {
			w.try(w.enc.EncodeString(f.name))
			w.value(f.schema, v.Field(f.index))
		}
	}
}

// Open reads the envelope of an untrusted frame and leaves the body alone. It
// returns a *VersionError, or an error that wraps ErrMalformed.
func Open(frame []byte) (Envelope, error) {
	var e Envelope
	if len(frame) > MaxFrame {
		return e, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrMalformed, len(frame), MaxFrame)
	}
	g := guard{data: frame}
	t, err := g.next("envelope")
	if err != nil {
		return e, err
	}
	if t.class != classArray || t.n == 0 {
		return e, g.fail("envelope", "want a list that starts with the version")
	}
	size := t.n
	if t, err = g.next("version"); err != nil {
		return e, err
	}
	if t.class != classUint {
		return e, g.fail("version", "want int, got %s", t.class)
	}
	if t.n != Version {
		return e, &VersionError{Got: t.n}
	}
	if size != 4 {
		return e, g.fail("envelope", "want 4 elements, got %d", size)
	}
	if e.Type, err = g.text("type"); err != nil {
		return e, err
	}
	if t, err = g.next("sequence"); err != nil {
		return e, err
	}
	if t.class != classUint {
		return e, g.fail("sequence", "want int, got %s", t.class)
	}
	e.Seq, e.Body = t.n, frame[g.off:]
	return e, nil
}

// Decode returns the message of an envelope as a pointer to its struct (*Hello,
// ...). The body is untrusted: it is walked by the guard before a decoder sees
// it. Fields that the struct does not have, fields that are missing, and values of
// another type are refused: both sides have the same version, so none of them
// is an older or newer peer. Slices and maps of the result are copies.
// Errors wrap ErrMalformed.
func (e Envelope) Decode() (Message, error) {
	t, ok := messages[e.Type]
	if !ok {
		return nil, fmt.Errorf("%w: there is no message %.40q", ErrMalformed, e.Type)
	}
	g := guard{data: e.Body}
	if err := g.check(schemaOf(t), e.Type); err != nil {
		return nil, err
	}
	if g.off != len(g.data) {
		return nil, g.fail(e.Type, "%d bytes follow the message", len(g.data)-g.off)
	}
	m := reflect.New(t)
	dec := msgpack.NewDecoder(bytes.NewReader(e.Body))
	dec.DisallowUnknownFields(true)
	if err := dec.Decode(m.Interface()); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrMalformed, e.Type, err)
	}
	return m.Interface(), nil
}
