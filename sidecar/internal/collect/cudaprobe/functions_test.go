package cudaprobe

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestBaseName(t *testing.T) {
	for symbol, want := range map[string]string{
		"cuMemcpyHtoDAsync_v2": "cuMemcpyHtoDAsync", "cuMemcpyHtoDAsync_v2_ptsz": "cuMemcpyHtoDAsync", "cuMemcpy_ptds": "cuMemcpy",
		"cuLaunchKernel": "cuLaunchKernel", "cuGraphInstantiateWithParams_ptsz": "cuGraphInstantiateWithParams",
		"cuMem_vx": "cuMem_vx", "cuCtxCreate_v4": "cuCtxCreate", "cu_v": "cu_v",
	} {
		if got := baseName(symbol); got != want {
			t.Errorf("%s: %s, want %s", symbol, got, want)
		}
	}
}

// The driver's functions that CUPTI records are those that are probed, but for events.
func TestWantedAreThoseOfCUPTI(t *testing.T) {
	text, err := os.ReadFile("../../../../cupti/calls.c")
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(string(text), "contains[]")
	var theirs []string
	for _, m := range regexp.MustCompile(`"(cu[A-Z]\w*)"`).FindAllStringSubmatch(list, -1) {
		if m[1] != "cuEventRecord" && m[1] != "cuStreamWaitEvent" {
			theirs = append(theirs, m[1])
		}
	}
	ours := slices.Clone(wantedPrefixes)
	slices.Sort(ours)
	slices.Sort(theirs)
	if len(ours) < 20 || !slices.Equal(ours, theirs) {
		t.Errorf("probed: %v\nrecorded by CUPTI: %v", ours, theirs)
	}
}

func TestSizingsAreOfWantedFunctions(t *testing.T) {
	for name, s := range sizings {
		if !wanted(name) || s.size < 2 || s.size > 5 || s.factor != 0 && s.factor != 4 && s.factor != 5 || s.element > 15 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestLibrariesIn(t *testing.T) {
	const maps = `7f00-7f10 r--p 00000000 08:01 77 /usr/lib/libcuda.so.580.1
7f10-7f20 r-xp 00010000 08:01 77 /usr/lib/libcuda.so.580.1
7f20-7f30 r-xp 00020000 08:01 77 /usr/lib/libcuda.so.580.1
7f30-7f40 r-xp 00000000 08:01 78 /opt/a b/libcuda.so.1 (deleted)
7f40-7f50 r-xp 00000000 08:01 79 /usr/lib/libcudart.so.13
7f50-7f60 r-xp 00000000 00:00 0
7f60-7f70 r-xp 00000000 00:00 0 [vdso]
x
`
	if got := librariesIn(maps); !slices.Equal(got, []string{"/usr/lib/libcuda.so.580.1", "/opt/a b/libcuda.so.1 (deleted)"}) {
		t.Errorf("%q", got)
	}
	var many strings.Builder
	for _, c := range "abcdefgh" {
		many.WriteString("7f00-7f10 r-xp 0 08:01 77 /" + string(c) + "/libcuda.so\n")
	}
	if got := librariesIn(many.String()); len(got) != maxLibraries {
		t.Errorf("%d libraries", len(got))
	}
}

// Files that are no library of the driver's are refused with a reason.
func TestFilesThatAreNone(t *testing.T) {
	for _, name := range []string{"functions.go", "/proc/self/exe"} {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var l library
		if err := l.read(file); err == nil {
			t.Errorf("%s exports %v", name, l.functions)
		}
		file.Close()
	}
}
