package findings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

// The names are those of real kernels, of V100, A100, H100 and later, of cuBLAS, cuDNN, CUTLASS and PyTorch.
func TestMathOf(t *testing.T) {
	for name, want := range map[string]mathUnit{
		"volta_sgemm_64x64_nt":             mathFP32,
		"ampere_sgemm_32x32_sliced1x4_tn":  mathFP32,
		"ampere_scudnn_128x64_relu_small_": mathFP32,
		"sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize128x128x8_stage3_warpsize2x2x1_ffma_aligna4_alignc4_execute_kernel__5x_cublas": mathFP32,
		"void cutlass::Kernel2<cutlass_80_simt_sgemm_128x256_8x4_nt_align1>(T1::Params)":                                              mathFP32,
		"void implicit_convolve_sgemm<float, float, 1024, 6, 7, 3, 3, 5, 1, false, true, true>(int, int)":                             mathFP32,
		"void gemmSN_NN_kernel<float, 128, 2, 4, 8, 4, 4, false>(cublasGemmSmallNParams)":                                             mathFP32,
		"sm80_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize128x64x16_stage6_warpsize2x2x1_tensor16x8x8":                                  mathTensor,
		"void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_128x256_16x3_nn_align4>(T1::Params)":                                     mathTensor,
		"ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_32x6_tn":                                                                  mathTensor,
		"volta_fp16_s884gemm_fp16_128x128_ldg8_f2f_tn":                                                                                mathTensor,
		"volta_h884gemm_256x64_ldg8_nn": mathTensor,
		"sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize64x64x64_warpgroupsize1x1x1_execute_segment_k_off_kernel":                 mathTensor,
		"cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_32x32_128x2_tn_align8":                                                      mathTensor,
		"nvjet_tst_256x128_64x4_2x1_v_bz_coopA_NNT":                                                                                 mathTensor,
		"void xmma_new::gemm::kernel<xmma_new::implicit_gemm::fprop::Kernel_traits<xmma_new::Ampere_hmma_tf32_traits<unsigned>>>()": mathTensor,
		"void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64, 128, 128, 4>>()":                           mathTensor,
		"void cudnn::detail::dgrad_engine<float, 512, 6, 5, 3, 3, 3, false>(int, int, int, float const*)":                           mathFP32,
		"void cudnn::bn_bw_1C11_kernel_new<float, float, float2, 512, true, 1>(float, float)":                                       mathNone,
		"cutlass_80_simt_dgemm_128x64_8x5_nn_align1":                                                                                mathOther,
		"ampere_gcgemm_64x64_nt": mathOther,
		"void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>(int)": mathNone,
		"ncclDevKernel_AllReduce_Sum_f32_RING_LL":                                                    mathNone,
		"void at::native::reduce_kernel<512, 1, float>(at::native::ReduceOp<1688>)":                  mathNone,
		"": mathNone,
	} {
		if got := mathOf(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

// Of savings that are alike the easier comes first, whichever is a little larger; one that is much larger comes first, however hard.
func TestSort(t *testing.T) {
	f := func(ns int64, e result.Effort, s result.Severity) result.Finding {
		return result.Finding{ID: fmt.Sprintf("%d %s", ns, e), Effort: e, Severity: s, Saving: result.Saving{HighNs: ns}}
	}
	list := []result.Finding{f(0, result.Easy, result.Info), f(90, result.Moderate, result.Low), f(300, result.Moderate, result.High), f(280, result.Easy, result.High),
		f(900, result.Hard, result.High), f(61, result.Easy, result.Low), f(59, result.Easy, result.Low), f(0, result.Hard, result.Low)}
	sortFindings(list)
	var ids []string
	for _, x := range list {
		ids = append(ids, x.ID)
	}
	if got, want := strings.Join(ids, ", "), "900 hard, 280 easy, 300 moderate, 61 easy, 90 moderate, 59 easy, 0 hard, 0 easy"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, r := range Registry {
		if r.Effort != result.Easy && r.Effort != result.Moderate && r.Effort != result.Hard {
			t.Errorf("%s: no effort", r.ID)
		}
	}
}
