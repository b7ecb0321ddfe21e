package wire

// MaxFrame is the most bytes that one message may have, in either direction.
const MaxFrame = 64 << 20

// MaxHelloFrame is the most bytes that a message may have before Hello succeeded.
const MaxHelloFrame = 4 << 10

// MaxValues is the most values (elements, map entries and fields together) that
// one message may have. It bounds what a small message can make a decoder
// allocate.
const MaxValues = 1 << 19

// The codes of Error.
const (
	// CodeVersion refuses a client that speaks another version of the protocol.
	CodeVersion = "version"
	// CodeToken refuses a client that does not know the token.
	CodeToken = "token"
	// CodeHello refuses a message on a connection without a successful Hello.
	CodeHello = "hello"
	// CodeBusy refuses a request because another one is in its way.
	CodeBusy = "busy"
	// CodeUnknownCell refuses a request for a cell that is not being profiled.
	CodeUnknownCell = "unknown_cell"
	// CodeComparison refuses a Compare whose runs are not there or cannot be compared.
	CodeComparison = "comparison"
	// CodeMalformed refuses a message that is not what the protocol says.
	CodeMalformed = "malformed"
	// CodeInternal reports a failure of the sidecar itself.
	CodeInternal = "internal"
)
