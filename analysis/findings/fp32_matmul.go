package findings

import (
	"github.com/inferscope/inferscope/analysis/phrase"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// fp32Gain is the part of the time of products in single precision that tensor cores may
// save: four times as fast is what large products reach in practice with TF32, of a peak that is
// eight times as high on an A100 (156 against 19.5 TFLOPS in its data sheet).
const fp32Gain = 0.75

var fp32Matmul = Rule{
	ID:    "fp32-matmul",
	Title: "Matrix products in full single precision",
	Sees: "Kernels that multiply matrices or convolve in 32-bit floating point on the ordinary units, by their names: `sgemm`, " +
		"`simt_sgemm`, `f32f32_f32f32_f32`, `ffma`. Kernels on tensor cores have others (`tf32`, `s1688`, `16816`, `h884`, `tensorop`, `nvjet`).",
	Bad: "Tensor cores multiply several times faster. In PyTorch, products of 32-bit tensors use them only when TF32 is allowed, which " +
		"rounds the inputs to 10 bits of mantissa, or under autocast.",
	Silent: "It is silent when such kernels take less than 5% of the cell's wall or 20 ms beyond what the host hides, and for kernels whose " +
		"name does not tell their type. It cannot know whether the result needs full precision.",
	Do: "Allow TF32 (Ampere and later), or compute in 16 bits with autocast (Volta and later). Check that the result is still good " +
		"enough.",
	Change:   "multiply matrices on tensor cores",
	Effort:   result.Easy,
	CellWide: true,
	Before: `for x, y in loader:
    loss = criterion(model(x), y)`,
	After: `torch.set_float32_matmul_precision("high")      # TF32
for x, y in loader:
    with torch.autocast("cuda", dtype=torch.bfloat16):  # or 16 bits
        loss = criterion(model(x), y)`,
	Test: func(r *Rule, e *Evidence) []result.Finding {
		if !e.Attribution.GPU.Owned() {
			return nil
		}
		k := e.kernels()
		slow := &k.math[mathFP32]
		ns := e.visible(slow.ns, k.ns)
		if !e.worth(ns) {
			return nil
		}
		line := e.lineOf(largest(slow.lines))
		tl := e.Attribution.Timeline()
		f := r.finding(e, line, int64(float64(ns)*fp32Gain), phrase.Count(slow.count, "product", "products")+" in single precision without tensor cores (mostly "+
			phrase.Kernel(tl.Names.String(largest(slow.names)))+") took "+e.wall(ns)+largestOn(line)+".")
		e.operations(&f, func(ops *timeline.Ops, row int) bool {
			return ops.Kind[row] == timeline.OpKernel && k.by[ops.Name[row]] == mathFP32
		})
		return []result.Finding{f}
	},
}
