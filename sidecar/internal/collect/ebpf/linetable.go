package ebpf

import (
	"cmp"
	"slices"
)

// The formats of wire.CalLineTableFormat.
const (
	lineTablePairs    = 1
	lineTableLocation = 2
)

// lineStart says that from a code unit on (an instruction of two bytes) the code
// belongs to a line; 0 is no line.
type lineStart struct{ unit, line int32 }

// lineTable maps the code units of one code object to lines, sorted by unit.
type lineTable []lineStart

// at is the line of a code unit. A frame that has not executed anything yet is
// before the first unit: it is at the first line.
func (t lineTable) at(unit int64, firstLine int32) int32 {
	if unit < 0 {
		return firstLine
	}
	i, found := slices.BinarySearchFunc(t, unit, func(s lineStart, u int64) int { return cmp.Compare(int64(s.unit), u) })
	if !found {
		i--
	}
	if i < 0 || i >= len(t) {
		return firstLine
	}
	return t[i].line
}

// parseLineTable reads a co_linetable. Any bytes are safe; garbage gives garbage lines.
func parseLineTable(raw []byte, firstLine int32, format int64) lineTable {
	if format == lineTablePairs {
		return parsePairs(raw, firstLine)
	}
	return parseLocations(raw, firstLine)
}

// parsePairs reads the format of Python 3.10: an unsigned count of bytes of
// code and a signed difference of lines, -128 for none, a pair.
func parsePairs(raw []byte, firstLine int32) lineTable {
	table := make(lineTable, 0, len(raw)/2)
	offset, line := int32(0), firstLine
	for i := 0; i+1 < len(raw); i += 2 {
		length, delta := int32(raw[i]), int32(int8(raw[i+1]))
		at := int32(0)
		if delta != -128 {
			line += delta
			at = line
		}
		if length == 0 {
			continue // the difference is larger than a byte: the next pair goes on
		}
		table = table.append(offset/2, at)
		offset += length
	}
	return table
}

// The codes of a location entry, from Python's Objects/locations.md.
const (
	locationOneLine0  = 10
	locationOneLine2  = 12
	locationNoColumns = 13
	locationLong      = 14
	locationNone      = 15
)

// parseLocations reads the format of Python 3.11 and later.
func parseLocations(raw []byte, firstLine int32) lineTable {
	table := make(lineTable, 0, len(raw)/3)
	unit, line := int32(0), firstLine
	for i := 0; i < len(raw); {
		first := raw[i]
		i++
		units, code := int32(first&7)+1, first>>3&15
		at := line
		switch {
		case code >= locationOneLine0 && code <= locationOneLine2:
			line += int32(code - locationOneLine0)
			at = line
		case code == locationNoColumns || code == locationLong:
			line += signedVarint(raw[i:])
			at = line
		case code == locationNone:
			at = 0
		}
		table = table.append(unit, at)
		unit += units
		for i < len(raw) && raw[i]&0x80 == 0 {
			i++ // what is left of the entry: columns
		}
	}
	return table
}

// signedVarint reads six bits a byte, lowest first; the lowest bit is the sign.
func signedVarint(raw []byte) int32 {
	value, shift := uint32(0), 0
	for _, b := range raw {
		if shift < 32 {
			value |= uint32(b&63) << shift
		}
		shift += 6
		if b&64 == 0 {
			break
		}
	}
	if value&1 != 0 {
		return -int32(value >> 1)
	}
	return int32(value >> 1)
}

// append adds a start unless the line goes on.
func (t lineTable) append(unit, line int32) lineTable {
	if n := len(t); n > 0 && t[n-1].line == line {
		return t
	}
	return append(t, lineStart{unit, line})
}
