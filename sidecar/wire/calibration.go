package wire

// The keys of Calibration.Fields. All offsets are bytes; ipython_ext/inferscope/calibrate.py
// measures them and holds the same names.
const (
	// CalTStateSlot is where a thread keeps the pointer to its PyThreadState,
	// relative to its thread pointer (FS base on x86-64, TPIDR_EL0 on arm64).
	CalTStateSlot = "tstate_slot"
	// CalTStateInner is set when that place holds a pointer to a block instead: the
	// slot's offset inside of the block.
	CalTStateInner = "tstate_inner"
	// CalFrameInTState is the offset in PyThreadState of the current frame's pointer,
	// or of a pointer to a block that holds it at CalFrameInner.
	CalFrameInTState = "frame_in_tstate"
	// CalFrameInner is set when there is such a block.
	CalFrameInner = "frame_inner"
	// CalCodeInFrame, CalPreviousInFrame and CalInstructionInFrame are offsets in a frame.
	CalCodeInFrame        = "code_in_frame"
	CalPreviousInFrame    = "previous_in_frame"
	CalInstructionInFrame = "instruction_in_frame"
	// CalInstructionIsIndex is 1 when a frame holds the index of its instruction
	// (an int32, in code units) and 0 when it holds the instruction's address.
	CalInstructionIsIndex = "instruction_is_index"

	// CalCodeType is the address of PyCode_Type: what a code object's type must be.
	CalCodeType = "code_type"
	// CalTypeInObject is the offset of an object's type.
	CalTypeInObject = "type_in_object"
	// CalCodeSize is where a code object's instructions start; all of the members below lie before it.
	CalCodeSize = "code_size"
	// CalFirstLineInCode (int32), CalLineTableInCode (bytes), CalFileNameInCode and
	// CalNameInCode (str; the qualified name where there is one) are offsets in a code object.
	CalFirstLineInCode = "first_line_in_code"
	CalLineTableInCode = "line_table_in_code"
	CalFileNameInCode  = "file_name_in_code"
	CalNameInCode      = "name_in_code"
	// CalLineTableFormat is 1 for pairs of deltas (3.10) and 2 for the location table (3.11 on).
	CalLineTableFormat = "line_table_format"

	// CalSizeInBytes and CalDataInBytes are offsets in a bytes object.
	CalSizeInBytes = "size_in_bytes"
	CalDataInBytes = "data_in_bytes"
	// CalLengthInStr and CalStateInStr are offsets in a str object. The state is a
	// 32-bit word: shifted right by CalStrKindShift its low three bits are the
	// size of a character, and CalStrASCIIMask is set in it for ASCII strings.
	CalLengthInStr  = "length_in_str"
	CalStateInStr   = "state_in_str"
	CalStrKindShift = "str_kind_shift"
	CalStrASCIIMask = "str_ascii_mask"
	// CalDataInASCII and CalDataInStr are where the characters start.
	CalDataInASCII = "data_in_ascii"
	CalDataInStr   = "data_in_str"

	// CalRuntimeStart and CalRuntimeSize give the exported object _PyRuntime: a
	// futex inside of it is the interpreter lock.
	CalRuntimeStart = "runtime_start"
	CalRuntimeSize  = "runtime_size"
)
