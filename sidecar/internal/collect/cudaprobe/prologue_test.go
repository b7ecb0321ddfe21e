package cudaprobe

import (
	"debug/elf"
	"encoding/hex"
	"testing"
)

func TestProbeOffset(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		want uint64
	}{
		"push rbp, as in driver 580":               {"554889e541544883ec08813ddc618305", 0},
		"push r12":                                 {"41544883ec08", 0},
		"endbr64, push rbp":                        {"f30f1efa554889e5", 4},
		"endbr64, push r15":                        {"f30f1efa4157", 4},
		"endbr64, nop":                             {"f30f1efa90c3", 4},
		"a nop of five bytes, then a call":         {"0f1f440000e800000000", 0},
		"endbr64, a nop of five bytes, push":       {"f30f1efa0f1f44000055", 9},
		"a nop with prefixes, then sub":            {"66662e0f1f8400000000004883ec08", 0},
		"66 90":                                    {"66904883ec08", 0},
		"endbr64, mov eax, edi, push":              {"f30f1efa89f855", 6},
		"mov rax, rsp, push":                       {"4889e055", 3},
		"mov r11, rsp, push r12":                   {"4989e34154", 3},
		"lea r10, [rsp+8], push":                   {"4c8d54240855", 5},
		"lea rax, [rip+0x10], push":                {"488d051000000055", 7},
		"xor eax, eax, push":                       {"31c055", 2},
		"mov eax, 5, push":                         {"b80500000055", 5},
		"sub rsp, 8: the return address is gone":   {"4883ec0855", 0},
		"endbr64, sub rsp, 8, push":                {"f30f1efa4883ec0855", 0},
		"mov edx, edi: an argument is overwritten": {"89fa55", 0},
		"mov r8, rdi likewise":                     {"4989f855", 0},
		"xor edi, edi likewise":                    {"31ff55", 0},
		"lea rdi, [rax] likewise":                  {"488d3855", 0},
		"mov rsp, rbp: the stack is another":       {"4889ec55", 0},
		"mov rax, [rdi] may fault":                 {"488b0755", 0},
		"mov [rsp-8], rdi writes":                  {"48897c24f855", 0},
		"a jump":                                   {"eb0355", 0},
		"a conditional jump":                       {"740055", 0},
		"ret":                                      {"c355", 0},
		"cut off within an instruction":            {"f30f1e", 0},
		"cut off after endbr64":                    {"f30f1efa", 0},
		"cut off within lea":                       {"4c8d54", 0},
		"nothing":                                  {"", 0},
	} {
		code, err := hex.DecodeString(c.code)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := probeOffset(code, elf.EM_X86_64); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := probeOffset([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0x55}, elf.EM_AARCH64); got != 0 {
		t.Errorf("arm64: %d", got)
	}
}

// Far down a prologue nothing is cheap any more: what is decoded is bounded.
func TestProbeOffsetIsBounded(t *testing.T) {
	var code []byte
	for range 20 {
		code = append(code, 0x31, 0xc0)
	}
	if got := probeOffset(append(code, 0x55), elf.EM_X86_64); got != 0 {
		t.Errorf("%d", got)
	}
}

func TestIsRefused(t *testing.T) {
	for code, want := range map[string]bool{
		"f0830001": true, "2e90": true, "66662e0f1f8400": true, "55": false, "f30f1efa": false, "64488b042500": false, "": false, "6690": false,
	} {
		raw, err := hex.DecodeString(code)
		if err != nil {
			t.Fatal(code, err)
		}
		if got := isRefused(raw, elf.EM_X86_64); got != want {
			t.Errorf("%s: %v", code, got)
		}
		if isRefused(raw, elf.EM_AARCH64) {
			t.Errorf("%s on arm64", code)
		}
	}
}

func FuzzProbeOffset(f *testing.F) {
	f.Add([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0x55})
	f.Add([]byte{0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, code []byte) {
		at := probeOffset(code, elf.EM_X86_64)
		if at != 0 && (at >= uint64(len(code)) || !isPush(code[at:]) && nopLength(code[at:]) == 0) {
			t.Errorf("%x: %d", code, at)
		}
	})
}
