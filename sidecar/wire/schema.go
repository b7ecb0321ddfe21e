package wire

import (
	"fmt"
	"reflect"
	"sync"
)

// kind is the shape of a value on the wire.
type kind uint8

const (
	kindBool kind = iota
	kindInt
	kindUint
	kindFloat
	kindString
	kindBytes
	kindSlice
	kindMap
	kindStruct
)

// schema is what the protocol allows at one place of a message. It is made from
// the Go type, so that the structs of messages.go stay the only description.
type schema struct {
	kind kind
	// bits is the width of a number.
	bits int
	// elem is the element of a slice or the value of a map, whose keys are strings.
	elem *schema
	// name is a struct's name; fields are in the order of declaration, which is
	// the order on the wire.
	name   string
	fields []schemaField
	byName map[string]int
}

type schemaField struct {
	name   string
	index  int
	schema *schema
}

var schemas sync.Map // reflect.Type to *schema

// schemaOf panics for a type that the protocol cannot carry: that is an error
// in messages.go, and the tests visit every message.
func schemaOf(t reflect.Type) *schema {
	if s, ok := schemas.Load(t); ok {
		return s.(*schema)
	}
	s := newSchema(t)
	schemas.Store(t, s)
	return s
}

func newSchema(t reflect.Type) *schema {
	switch t.Kind() {
	case reflect.Bool:
		return &schema{kind: kindBool}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &schema{kind: kindInt, bits: t.Bits()}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &schema{kind: kindUint, bits: t.Bits()}
	case reflect.Float64:
		return &schema{kind: kindFloat, bits: 64}
	case reflect.String:
		return &schema{kind: kindString}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return &schema{kind: kindBytes}
		}
		return &schema{kind: kindSlice, elem: schemaOf(t.Elem())}
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return &schema{kind: kindMap, elem: schemaOf(t.Elem())}
		}
	case reflect.Struct:
		s := &schema{kind: kindStruct, name: t.Name(), byName: map[string]int{}}
		for i := range t.NumField() {
			f := t.Field(i)
			tag := f.Tag.Get("msgpack")
			if tag == "" || !f.IsExported() {
				panic(fmt.Sprintf("wire: %s.%s has no msgpack tag", t.Name(), f.Name))
			}
			s.byName[tag] = len(s.fields)
			s.fields = append(s.fields, schemaField{name: tag, index: i, schema: schemaOf(f.Type)})
		}
		return s
	}
	panic(fmt.Sprintf("wire: the protocol cannot carry %s", t))
}
