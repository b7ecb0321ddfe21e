package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unicode/utf16"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// codeObject is what is kept of a Python code object.
type codeObject struct {
	name, file string
	firstLine  int32
	lines      lineTable
	// cell says that it is code of the profiled cell; shim that it is not a function of anyone's.
	cell, shim bool
}

// Bounds on what is read from the profiled process.
const (
	maxCodeSize  = 4096
	maxText      = 4096
	maxLineTable = 1 << 20
)

var errNotCode = errors.New("not a code object")

// shimFile is the file name of the interpreter's own entry frames.
const shimFile = "<shim>"

// readCode reads a code object out of a process.
func readCode(m memory, l *layout, address uint64) (*codeObject, error) {
	if l.codeSize > maxCodeSize {
		return nil, errNotCode
	}
	raw := make([]byte, l.codeSize)
	if err := m.read(address, raw); err != nil {
		return nil, err
	}
	word := func(offset uint64) uint64 { return binary.LittleEndian.Uint64(raw[offset:]) }
	if word(l.typeInObject) != l.codeType {
		return nil, errNotCode
	}
	file, err := readText(m, l, word(l.fileName))
	if err != nil {
		return nil, fmt.Errorf("file name: %w", err)
	}
	name, err := readText(m, l, word(l.name))
	if err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	c := &codeObject{name: name, file: file, firstLine: int32(binary.LittleEndian.Uint32(raw[l.firstLine:])), shim: file == shimFile}
	table := word(l.lineTable)
	size, err := m.word(table + l.bytesSize)
	if err != nil {
		return nil, fmt.Errorf("line table: %w", err)
	}
	if size > maxLineTable {
		return nil, fmt.Errorf("line table of %d bytes: %w", size, errNotCode)
	}
	lines := make([]byte, size)
	if err := m.read(table+l.bytesData, lines); err != nil {
		return nil, fmt.Errorf("line table: %w", err)
	}
	c.lines = parseLineTable(lines, c.firstLine, l.lineTableFormat)
	return c, nil
}

// readText reads a str object. Text longer than maxText characters is cut.
func readText(m memory, l *layout, address uint64) (string, error) {
	length, err := m.word(address + l.strLength)
	if err != nil {
		return "", err
	}
	state, err := m.word(address + l.strState)
	if err != nil {
		return "", err
	}
	kind, data := uint64(uint32(state)>>l.strKindShift&7), l.strData
	if uint32(state)&l.strASCII != 0 {
		data = l.asciiData
	}
	if kind != 1 && kind != 2 && kind != 4 {
		return "", fmt.Errorf("text of kind %d: %w", kind, errNotCode)
	}
	raw := make([]byte, min(length, maxText)*kind)
	if err := m.read(address+data, raw); err != nil {
		return "", err
	}
	return decodeText(raw, kind), nil
}

// decodeText decodes characters of kind bytes each.
func decodeText(raw []byte, kind uint64) string {
	runes := make([]rune, 0, uint64(len(raw))/kind)
	for ; uint64(len(raw)) >= kind; raw = raw[kind:] {
		switch kind {
		case 1:
			runes = append(runes, rune(raw[0]))
		case 2:
			runes = append(runes, rune(binary.LittleEndian.Uint16(raw)))
		default:
			runes = append(runes, rune(binary.LittleEndian.Uint32(raw)))
		}
	}
	for i, r := range runes {
		if utf16.IsSurrogate(r) || r > 0x10ffff || r < 0 {
			runes[i] = '\ufffd'
		}
	}
	return string(runes)
}

// pythonFrames names the Python frames of a cell's processes. Code objects are read
// once, while the process lives, and kept by address.
type pythonFrames struct {
	layout   *layout
	cellFile string
	// offset turns a line of the cell's code into the one that the user sees.
	offset  int
	builder *timeline.Builder

	codes  map[codeKey]*codeObject // nil for what could not be read
	frames map[frameKey]timeline.FrameID
	ids    []timeline.FrameID
	// failed counts code objects that could not be read; forbidden says that the
	// kernel does not allow it.
	failed    int64
	forbidden bool
}

type codeKey struct {
	pid  uint32
	code uint64
}

type frameKey struct {
	pid   uint32
	frame probePyFrame
}

func newPythonFrames(l *layout, start wire.Start, b *timeline.Builder) *pythonFrames {
	return &pythonFrames{layout: l, cellFile: start.CellFile, offset: start.LineOffset, builder: b,
		codes: map[codeKey]*codeObject{}, frames: map[frameKey]timeline.FrameID{}}
}

// code finds a code object in a process, or in the one it was forked from if it is gone.
func (f *pythonFrames) code(p *process, address uint64) *codeObject {
	key := codeKey{p.pid, address}
	if c, ok := f.codes[key]; ok {
		return c
	}
	c, err := readCode(memory{int(p.pid)}, f.layout, address)
	if err != nil && p.parent != nil {
		c = f.code(p.parent, address)
	} else if err != nil && !errors.Is(err, errNotCode) {
		// What is not a code object is the interpreter's own entry frame.
		f.failed++
		f.forbidden = f.forbidden || errors.Is(err, os.ErrPermission)
	} else if err == nil {
		c.cell = f.cellFile != "" && c.file == f.cellFile
	}
	f.codes[key] = c
	return c
}

// line is the line that a frame is at.
func (f *pythonFrames) line(c *codeObject, frame probePyFrame) int32 {
	if f.layout.indexed {
		return c.lines.at(int64(int32(frame.Instruction)), c.firstLine)
	}
	return c.lines.at((int64(frame.Instruction)-int64(frame.Code+f.layout.codeSize))>>1, c.firstLine)
}

// stack interns frames, deepest first. What called the cell's code is left out.
func (f *pythonFrames) stack(p *process, frames []probePyFrame) timeline.StackID {
	if !f.layout.valid {
		return 0
	}
	f.ids = f.ids[:0]
	keep := 0
	for _, frame := range frames {
		c := f.code(p, frame.Code)
		if c == nil || c.shim {
			continue
		}
		f.ids = append(f.ids, f.frame(p, c, frame))
		if c.cell {
			keep = len(f.ids)
		}
	}
	if keep > 0 {
		f.ids = f.ids[:keep]
	}
	if len(f.ids) == 0 {
		return 0
	}
	return f.builder.Stack(f.ids)
}

// maxLine is the largest line of a cell that is believed.
const maxLine = 1 << 26

// visibleLine is the line of the cell that the user sees; 0, as for no line, when there is none such.
func visibleLine(line int32, offset int) int32 {
	if line <= 0 || offset < -maxLine || offset > maxLine {
		return 0
	}
	if visible := int(line) + offset; visible > 0 && visible <= maxLine {
		return int32(visible)
	}
	return 0
}

func (f *pythonFrames) frame(p *process, c *codeObject, frame probePyFrame) timeline.FrameID {
	key := frameKey{p.pid, frame}
	if id, ok := f.frames[key]; ok {
		return id
	}
	file, line := c.file, f.line(c, frame)
	if c.cell {
		file, line = timeline.CellFile, visibleLine(line, f.offset)
	}
	id := f.builder.Frame(timeline.Frame{Func: f.builder.Name(c.name), File: f.builder.Name(file), Line: line})
	f.frames[key] = id
	return id
}

// walked is a stack read from outside, with the addresses of its frames.
type walked struct {
	frames    []probePyFrame
	addresses []uint64
}

// maxWalk bounds a walk from outside.
const maxWalk = 256

// walk reads the stack of a thread that is not running: what the programs do for
// the current thread, for one that was blocked before they came.
func (f *pythonFrames) walk(p *process, threadPointer uint64) walked {
	var w walked
	m, c := memory{int(p.pid)}, &f.layout.config
	if threadPointer == 0 || c.Enabled == 0 {
		return w
	}
	slot := threadPointer + uint64(c.TstateSlot)
	if c.TstateIndirect != 0 {
		base, err := m.word(slot)
		if err != nil || base == 0 {
			return w
		}
		slot = base + uint64(c.TstateInner)
	}
	tstate, err := m.word(slot)
	if err != nil || tstate == 0 {
		return w
	}
	frame, err := m.word(tstate + uint64(c.FrameInTstate))
	if err == nil && frame != 0 && c.FrameIndirect != 0 {
		frame, err = m.word(frame + uint64(c.FrameInner))
	}
	raw := make([]byte, maxFrameSize)[:c.FrameSize]
	for err == nil && frame != 0 && len(w.frames) < maxWalk {
		if err = m.read(frame, raw); err != nil {
			break
		}
		w.frames = append(w.frames, probePyFrame{
			Code:        binary.LittleEndian.Uint64(raw[c.CodeInFrame:]) &^ 7,
			Instruction: binary.LittleEndian.Uint64(raw[c.InstructionInFrame:]),
		})
		w.addresses = append(w.addresses, frame)
		frame = binary.LittleEndian.Uint64(raw[c.PreviousInFrame:])
	}
	return w
}

// cellFrame is the address of the outermost frame of the cell's code, 0 if there is none.
func (f *pythonFrames) cellFrame(p *process, w walked) uint64 {
	address := uint64(0)
	for i, frame := range w.frames {
		if c := f.code(p, frame.Code); c != nil && c.cell {
			address = w.addresses[i]
		}
	}
	return address
}
