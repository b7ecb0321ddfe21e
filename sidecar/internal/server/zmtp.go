package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The parts of ZMTP 3.0 (rfc.zeromq.org/spec/23) that stand between the socket
// and the library: greeting, READY and the frame header.

const (
	greetingSize = 64
	// maxReady bounds the peer's READY command. An honest one has a socket type and
	// an identity of at most 255 bytes.
	maxReady = 512

	flagMore    = 1 << 0
	flagLong    = 1 << 1
	flagCommand = 1 << 2
	// shortHeader and longHeader are the sizes of a frame header.
	shortHeader = 2
	longHeader  = 9
)

var errZMTP = errors.New("not a ZMTP 3 DEALER")

// greeting is what both sides send first: signature, version 3.0, mechanism NULL.
func greeting() []byte {
	b := make([]byte, greetingSize)
	b[0], b[9], b[10] = 0xff, 0x7f, 3
	copy(b[12:32], "NULL")
	return b
}

func checkGreeting(b []byte) error {
	if b[0] != 0xff || b[9]&1 == 0 || b[10] < 3 {
		return fmt.Errorf("%w: greeting % x", errZMTP, b[:12])
	}
	if string(b[12:17]) != "NULL\x00" {
		return fmt.Errorf("%w: mechanism %.20q", errZMTP, b[12:32])
	}
	return nil
}

// ready is the READY command with a socket type and an identity.
func ready(socketType, identity string) []byte {
	body := append([]byte{5}, "READY"...)
	for _, p := range [][2]string{{"Socket-Type", socketType}, {"Identity", identity}} {
		body = append(body, byte(len(p[0])))
		body = append(body, p[0]...)
		body = binary.BigEndian.AppendUint32(body, uint32(len(p[1])))
		body = append(body, p[1]...)
	}
	return append([]byte{flagCommand, byte(len(body))}, body...)
}

// checkReady accepts the body of the READY command of a DEALER.
func checkReady(body []byte) error {
	name, rest, ok := cutCommand(body)
	if !ok || name != "READY" {
		return fmt.Errorf("%w: want READY, got %.20q", errZMTP, name)
	}
	for len(rest) > 0 {
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return fmt.Errorf("%w: READY ends in a property", errZMTP)
		}
		key := string(rest[1 : 1+n])
		size := binary.BigEndian.Uint32(rest[1+n:])
		rest = rest[1+n+4:]
		if uint64(size) > uint64(len(rest)) {
			return fmt.Errorf("%w: READY ends in a property", errZMTP)
		}
		value := string(rest[:size])
		rest = rest[size:]
		if key == "Socket-Type" && value != "DEALER" {
			return fmt.Errorf("%w: socket type %.20q", errZMTP, value)
		}
	}
	return nil
}

// cutCommand splits a command's body into its name and data.
func cutCommand(body []byte) (name string, data []byte, ok bool) {
	if len(body) == 0 || len(body) < 1+int(body[0]) {
		return "", nil, false
	}
	n := 1 + int(body[0])
	return string(body[1:n]), body[n:], true
}

// frameHeader is the head of one frame. raw holds its bytes as they travelled.
type frameHeader struct {
	flags byte
	size  uint64
	raw   [longHeader]byte
	n     int
}

func (h *frameHeader) command() bool { return h.flags&flagCommand != 0 }

// readHeader reads one frame header and refuses what no honest peer sends here:
// reserved flags, a message in more than one part, a long command.
func readHeader(r io.Reader) (frameHeader, error) {
	var h frameHeader
	if _, err := io.ReadFull(r, h.raw[:shortHeader]); err != nil {
		return h, err
	}
	h.flags, h.n = h.raw[0], shortHeader
	if h.flags&^(flagMore|flagLong|flagCommand) != 0 {
		return h, fmt.Errorf("%w: frame flags %#x", errZMTP, h.flags)
	}
	if h.flags&flagMore != 0 {
		return h, fmt.Errorf("%w: a message in more than one part", errZMTP)
	}
	if h.flags&flagLong == 0 {
		h.size = uint64(h.raw[1])
		return h, nil
	}
	if _, err := io.ReadFull(r, h.raw[shortHeader:]); err != nil {
		return h, err
	}
	h.size, h.n = binary.BigEndian.Uint64(h.raw[1:]), longHeader
	if h.command() && h.size > maxReady {
		return h, fmt.Errorf("%w: a command of %d bytes", errZMTP, h.size)
	}
	return h, nil
}
