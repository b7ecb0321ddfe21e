package cupti

import "testing"

func TestNamesAreReadable(t *testing.T) {
	for mangled, want := range map[string]string{
		"cudaMalloc_v3020":                 "cudaMalloc",
		"cuLaunchKernel":                   "cuLaunchKernel",
		"_ZN2at6native4copyIfEEvPT_i":      "void at::native::copy<float>(float*, int)",
		"_Znonsense":                       "_Znonsense",
		"sm90_xmma_gemm_bf16bf16_tn_v8000": "sm90_xmma_gemm_bf16bf16_tn_v8000",
	} {
		if got := cleanName(mangled); got != want {
			t.Errorf("%s reads %q, want %q", mangled, got, want)
		}
	}
}
