package ebpf

import "github.com/inferscope/inferscope/sidecar/wire"

// layout is wire.Calibration.Fields as the sidecar uses them.
type layout struct {
	valid bool
	why   string

	config          probePythonConfig
	indexed         bool
	codeType        uint64
	typeInObject    uint64
	codeSize        uint64
	firstLine       uint64
	lineTable       uint64
	lineTableFormat int64
	fileName, name  uint64
	bytesSize       uint64
	bytesData       uint64
	strLength       uint64
	strState        uint64
	strKindShift    uint64
	strASCII        uint32
	asciiData       uint64
	strData         uint64
	runtime         addressRange
}

// maxOffset bounds what a calibration may say: it comes from the profiled process.
const maxOffset = 1 << 12

// newLayout checks a calibration. An invalid one gives a layout that is not valid and says why.
func newLayout(c wire.Calibration) layout {
	l := layout{valid: c.Valid, why: c.Why}
	if start, size := c.Fields[wire.CalRuntimeStart], c.Fields[wire.CalRuntimeSize]; start > 0 && size > 0 && size < 1<<30 {
		l.runtime = addressRange{uint64(start), uint64(start + size)}
	}
	if !c.Valid {
		if l.why == "" {
			l.why = "the profiled process sent no measurements of its interpreter"
		}
		return l
	}
	get := func(key string) uint64 {
		value, ok := c.Fields[key]
		if !ok || value < 0 || value >= maxOffset {
			l.valid, l.why = false, "the measurements of the interpreter lack a usable "+key
			return 0
		}
		return uint64(value)
	}
	slot, ok := c.Fields[wire.CalTStateSlot]
	if !ok || slot < -1<<20 || slot > 1<<20 {
		l.valid, l.why = false, "the measurements of the interpreter lack a usable "+wire.CalTStateSlot
	}
	l.config.TstateSlot = slot
	if inner, ok := c.Fields[wire.CalTStateInner]; ok && inner >= 0 && inner < 1<<16 {
		l.config.TstateIndirect, l.config.TstateInner = 1, inner
	}
	l.config.FrameInTstate = uint32(get(wire.CalFrameInTState))
	if _, ok := c.Fields[wire.CalFrameInner]; ok {
		l.config.FrameIndirect, l.config.FrameInner = 1, uint32(get(wire.CalFrameInner))
	}
	l.config.CodeInFrame = uint32(get(wire.CalCodeInFrame))
	l.config.PreviousInFrame = uint32(get(wire.CalPreviousInFrame))
	l.config.InstructionInFrame = uint32(get(wire.CalInstructionInFrame))
	l.config.FrameSize = 8 + max(l.config.CodeInFrame, l.config.PreviousInFrame, l.config.InstructionInFrame)
	if l.config.FrameSize > maxFrameSize || (l.config.CodeInFrame|l.config.PreviousInFrame|l.config.InstructionInFrame)&7 != 0 {
		l.valid, l.why = false, "the interpreter's frames are laid out in a way that is not known"
	}
	l.config.Enabled = 1
	l.indexed = get(wire.CalInstructionIsIndex) != 0
	l.codeType = uint64(c.Fields[wire.CalCodeType])
	l.typeInObject = get(wire.CalTypeInObject)
	l.codeSize = get(wire.CalCodeSize)
	l.firstLine = get(wire.CalFirstLineInCode)
	l.lineTable = get(wire.CalLineTableInCode)
	l.lineTableFormat = int64(get(wire.CalLineTableFormat))
	l.fileName = get(wire.CalFileNameInCode)
	l.name = get(wire.CalNameInCode)
	l.bytesSize = get(wire.CalSizeInBytes)
	l.bytesData = get(wire.CalDataInBytes)
	l.strLength = get(wire.CalLengthInStr)
	l.strState = get(wire.CalStateInStr)
	l.strKindShift = get(wire.CalStrKindShift) & 31
	l.strASCII = uint32(c.Fields[wire.CalStrASCIIMask])
	l.asciiData = get(wire.CalDataInASCII)
	l.strData = get(wire.CalDataInStr)
	for _, offset := range []uint64{l.typeInObject, l.lineTable, l.fileName, l.name, l.firstLine} {
		if offset+8 > l.codeSize {
			l.valid, l.why = false, "the interpreter's code objects are laid out in a way that is not known"
		}
	}
	if !l.valid {
		l.config = probePythonConfig{}
	}
	return l
}

// maxFrameSize is how much of a frame the programs can read.
const maxFrameSize = 128
