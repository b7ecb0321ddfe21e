package tracestore

import (
	"errors"
	"fmt"
)

// ErrWriting is why a trace cannot be read whose writer has not finished it yet.
var ErrWriting = errors.New("it is still being written")

// TraceError says why a trace cannot be read, or a part of it.
type TraceError struct {
	// Path is the trace's folder.
	Path string
	// Where names the file, and the row group where there is one.
	Where string
	Err   error
}

func (e *TraceError) Error() string {
	return fmt.Sprintf("the trace %s cannot be read: %s: %v", e.Path, e.Where, e.Err)
}

func (e *TraceError) Unwrap() error { return e.Err }
