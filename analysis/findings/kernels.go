package findings

import (
	"cmp"
	"slices"
	"strings"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// mathUnit says which units of the GPU a kernel multiplies matrices with, as its name tells.
type mathUnit uint8

const (
	// mathNone: the name is not that of a matrix product or a convolution.
	mathNone mathUnit = iota
	// mathTensor: on tensor cores.
	mathTensor
	// mathFP32: in single precision, on the ordinary floating-point units.
	mathFP32
	// mathOther: a product of which the name tells no more.
	mathOther
	numMath
)

// The parts of kernels' names by which cuBLAS, cuDNN and CUTLASS tell what a kernel is.
// CUTLASS documents its scheme ("simt" or "tensorop", then the shape of the instruction
// and the type: cutlass_simt_sgemm_128x128_8x2_nn_align1, cutlass_tensorop_s1688gemm_…), and
// cuBLAS and cuDNN use the same words; PyProf, NVIDIA's profiler for PyTorch, and
// PyTorch's TensorBoard plugin knew tensor cores by h884, s884, h1688, s1688, i8816, 16816 and
// hmma. "f32f32_f32f32_f32" in an xmma name are the types of the inputs, of the multiplication
// and of the sum: with TF32 the middle reads tf32f32, and 16-bit kernels read bf16bf16 or
// f16f16. "ffma" is the fused multiply-add of the ordinary units. nvjet are the
// kernels of cuBLAS for the tensor cores of Hopper and later. Names of all these kinds were
// seen in traces of V100, A100 and H100.
var (
	tensorParts = []string{"884", "1688", "i8816", "16816", "161616", "hmma", "imma", "wgmma", "gmma", "wmma", "tensorop", "tensor16x8", "tf32",
		"bf16bf16", "f16f16", "nvjet", "flash_fwd", "flash_bwd"}
	fp32Parts    = []string{"sgemm", "scudnn", "f32f32_f32f32_f32", "ffma"}
	productParts = []string{"gemm", "xmma", "cutlass", "convolve", "fprop", "dgrad", "wgrad"}
)

// mathOf classifies a kernel by its name.
func mathOf(name string) mathUnit {
	name = strings.ToLower(name)
	has := func(parts []string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(name, p) })
	}
	switch {
	case has(tensorParts) && (has(productParts) || strings.Contains(name, "nvjet") || strings.Contains(name, "flash_") || strings.Contains(name, "mma")):
		return mathTensor
	case has(fp32Parts):
		return mathFP32
	case has(productParts) && strings.Contains(name, "<float,"): // what a template multiplies comes first
		return mathFP32
	case has(productParts):
		return mathOther
	}
	return mathNone
}

// kernelSums are the kernels that were seen on the busiest device, by what they compute with.
type kernelSums struct {
	ns   int64
	math [numMath]mathSum
	// by tells the names.
	by []mathUnit
}

// mathSum is one class of them; ns is summed without regard to overlap.
type mathSum struct {
	ns, count int64
	lines     map[int32]int64
	names     map[timeline.NameID]int64
}

// kernels sums the kernels of the busiest device, once.
func (e *Evidence) kernels() *kernelSums {
	if e.kernelSums != nil {
		return e.kernelSums
	}
	tl := e.Attribution.Timeline()
	s := &kernelSums{by: make([]mathUnit, tl.Names.Len())}
	known := make([]bool, tl.Names.Len())
	for m := range s.math {
		s.math[m] = mathSum{lines: map[int32]int64{}, names: map[timeline.NameID]int64{}}
	}
	ops := &tl.Devices[e.Attribution.GPU.Busiest].Ops
	for row, kind := range ops.Kind {
		if kind != timeline.OpKernel || ops.Call[row] < 0 && !tl.NoCell {
			continue
		}
		name, ns := ops.Name[row], ops.End[row]-ops.Start[row]
		if !known[name] {
			known[name], s.by[name] = true, mathOf(tl.Names.String(name))
		}
		of := &s.math[s.by[name]]
		s.ns += ns
		of.ns += ns
		of.count++
		of.lines[e.Attribution.CallLine(ops.Call[row])] += ns
		of.names[name] += ns
	}
	e.kernelSums = s
	return s
}

// visible is how much of the wall a part of the kernels took: their share of all kernels' time, of the time
// in which the cell waited for kernels. What the host hid behind its own work costs nothing.
func (e *Evidence) visible(ns, all int64) int64 {
	g := e.Attribution.GPU
	if all <= 0 {
		return 0
	}
	waited := g.Shares[attribution.ShareKernels] + g.Shares[attribution.ShareOverlap]
	return int64(float64(waited) * min(float64(ns)/float64(all), 1))
}

// largest is the key of the largest sum, the smallest key of equal ones.
func largest[K cmp.Ordered](sums map[K]int64) K {
	var best K
	most := int64(-1)
	for k, ns := range sums {
		if ns > most || ns == most && k < best {
			best, most = k, ns
		}
	}
	return best
}

// lineOf is a line of the cell with its text.
func (e *Evidence) lineOf(number int32) result.Line {
	return result.Line{File: timeline.CellFile, Number: number, Text: e.Attribution.LineText(number)}
}
