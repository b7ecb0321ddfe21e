package cudaprobe

import "debug/elf"

// maxPrologue is how many bytes of a function are looked at: cheap instructions stand at the very start.
const maxPrologue = 32

// probeOffset is where in a function its probe costs least, in bytes from its start.
//
// The kernel does a pushed register and an empty instruction by itself, which costs
// well under a microsecond; any other it runs in a copy, one step at a time, which
// costs over ten, and compilers begin functions with one that marks the target of a
// jump (endbr64). So the probe goes to the first such instruction that only
// instructions stand before which leave the arguments and the stack pointer as they
// were at the call: the return address must still be on the top of the stack, since
// the return is seen by replacing it. Where there is none, the start has to do.
//
// On arm64 it is always the start: what may precede the first push there signs the
// return address, after which it must not be replaced.
func probeOffset(code []byte, machine elf.Machine) uint64 {
	if machine != elf.EM_X86_64 {
		return 0
	}
	code = code[:min(len(code), maxPrologue)]
	empty := -1
	for at := 0; at < len(code); {
		rest := code[at:]
		if isPush(rest) {
			return uint64(at)
		}
		n := nopLength(rest)
		if n > 0 && empty < 0 {
			empty = at
		}
		if n == 0 {
			n = harmlessLength(rest)
		}
		if n == 0 || n > len(rest) {
			break
		}
		at += n
	}
	return uint64(max(empty, 0))
}

// isRefused says whether the kernel refuses to probe the instruction at the start of
// code, as it does where one has the prefix of a segment or of a locked access. It
// knows more that it refuses, none of which compilers begin functions with.
func isRefused(code []byte, machine elf.Machine) bool {
	if machine != elf.EM_X86_64 {
		return false
	}
	for _, b := range code {
		switch b {
		case 0x26, 0x2e, 0x36, 0x3e, 0xf0:
			return true
		case 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3:
		default:
			return false
		}
	}
	return false
}

// isPush says whether code begins with the push of a 64-bit register, with or without the prefix of the upper eight.
func isPush(code []byte) bool {
	if len(code) > 1 && code[0] == 0x41 {
		code = code[1:]
	}
	return len(code) > 0 && code[0]&0xf8 == 0x50
}

// nopLength is the length of the empty instruction at the start of code, 0 when it is none.
func nopLength(code []byte) int {
	prefix := 0
	for prefix < len(code) && code[prefix] == 0x66 {
		prefix++
	}
	rest := code[prefix:]
	switch {
	case len(rest) > 0 && rest[0] == 0x90:
		return prefix + 1
	case len(rest) > 2 && rest[0] == 0x0f && rest[1] == 0x1f && rest[2]>>3&7 == 0:
		if n := operandLength(rest[2:]); n > 0 {
			return prefix + 2 + n
		}
	}
	return 0
}

// harmlessLength is the length of the instruction at the start of code when it is one
// that leaves memory, the arguments and the stack pointer alone and goes on to the
// next; 0 when it is not, or not known.
func harmlessLength(code []byte) int {
	if len(code) >= 4 && code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa {
		return 4 // endbr64
	}
	prefix, upperReg, upperRM := 0, byte(0), byte(0)
	if len(code) > 0 && code[0]&0xf0 == 0x40 {
		prefix, upperReg, upperRM = 1, code[0]>>2&1<<3, code[0]&1<<3
		code = code[1:]
	}
	if len(code) < 2 {
		return 0
	}
	reg, rm := code[1]>>3&7|upperReg, code[1]&7|upperRM
	registers := code[1]>>6 == 3
	switch code[0] {
	case 0x89: // mov, from reg
		if registers && !argumentOrStack(rm) {
			return prefix + 2
		}
	case 0x8b: // mov, to reg; from memory it could fault
		if registers && !argumentOrStack(reg) {
			return prefix + 2
		}
	case 0x31, 0x33: // xor of a register with itself
		if registers && reg == rm && !argumentOrStack(rm) {
			return prefix + 2
		}
	case 0x8d: // lea, which reads no memory
		if n := operandLength(code[1:]); !registers && n > 0 && !argumentOrStack(reg) {
			return prefix + 1 + n
		}
	case 0xb8, 0xbb: // mov of a number to eax, ebx; with a 64-bit prefix it is longer
		if prefix == 0 {
			return 5
		}
	}
	return 0
}

// argumentOrStack says whether a register, by its number in instructions, holds an
// argument or the stack pointer: cx, dx, sp, si, di, r8 and r9.
func argumentOrStack(register byte) bool {
	switch register {
	case 1, 2, 4, 6, 7, 8, 9:
		return true
	}
	return false
}

// operandLength is the length of what describes an instruction's operands, from its
// first byte (ModRM) on; 0 when code ends within it.
func operandLength(code []byte) int {
	if len(code) == 0 {
		return 0
	}
	mode, rm := code[0]>>6, code[0]&7
	n := 1
	if mode != 3 && rm == 4 {
		if len(code) < 2 {
			return 0
		}
		if mode == 0 && code[1]&7 == 5 {
			n += 4
		}
		n++
	}
	switch {
	case mode == 1:
		n++
	case mode == 2, mode == 0 && rm == 5:
		n += 4
	}
	if n > len(code) {
		return 0
	}
	return n
}
