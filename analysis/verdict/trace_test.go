package verdict_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

// trace is one of another tool: n steps of 10 ms, in each a kernel of busy us, and
// the rest that more says, at times of the first step.
func trace(n, busy int, more string) string {
	return fmt.Sprintf(`window 0s %dms
rung trace
nocell
device 0 H100
thread m main
repeat %d every 10ms
kernel m 1us 2us 10us %dus gemm
%s
end
`, 10*n, n, 10+busy, more)
}

func TestClassesOfTraces(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		class result.Class
		top   result.CauseKind
		words string
	}{
		"the host works while the kernels run": {trace(100, 6000, "range m 0s 9900us loader enumerate(DataLoader)^_SingleProcessDataLoaderIter.__next__"),
			result.CPUBound, result.CauseDataLoading, "The GPU was idle 40% of the trace's 1 s, mostly while the host was loading data (running in this process)"},
		"it waits for them": {trace(100, 6000, "range m 0s 9900us operator aten::item\ncall m 3us 6010us sync cudaStreamSynchronize"),
			result.GPUBound, "", "the GPU was busy 60%"},
		"nothing tells what it does":      {trace(100, 500, ""), result.Unknown, "", "was not seen (outside of what the trace shows, before the next launch)"},
		"for a part nothing tells":        {trace(100, 500, "range m 4ms 9900us operator aten::add"), result.CPUBound, result.CauseFramework, "mostly while the host was running framework code"},
		"for the larger part it does not": {trace(100, 2500, "range m 6500us 9900us operator aten::add"), result.CPUBound, result.CauseFramework, "most of all while the host did what the trace does not show"},
		"copies to the device":            {strings.ReplaceAll(trace(100, 9000, ""), "10us 9010us gemm", "10us 9010us HtoD pinned device 100") + "", result.MemoryTransferBound, result.CauseCopyToDevice, "Copies that no kernel covered took 90%"},
		"copies from the device":          {strings.ReplaceAll(trace(100, 9000, ""), "10us 9010us gemm", "10us 9010us DtoH device pinned 100"), result.MemoryTransferBound, result.CauseCopyFromDevice, "Copies that no kernel covered took 90%"},
		"launches without records":        {"window 0s 1s\nrung trace\nnocell\nthread m main\nrange m 0s 1s operator aten::add\ncall m 1ms 2ms launch cudaLaunchKernel\n", result.Unknown, result.CauseFramework, "The GPU side was not captured"},
		"no thread, and nothing to blame": {"window 0s 1s\nrung trace\nnocell\ndevice 0 H100\ncarry 0s 300ms gemm\n", result.Unknown, result.CauseUnknown, "was not seen"},
	} {
		text := c.text
		if strings.Contains(text, "HtoD") || strings.Contains(text, "DtoH") {
			text = strings.ReplaceAll(text, "kernel m", "copy m")
		}
		v := decide(parse(t, text), result.Overhead{})
		if v.Class != c.class || c.top != "" && v.TopCause.Kind != c.top || !strings.Contains(v.Sentence, c.words) {
			t.Errorf("%s: %s, %s, %q", name, v.Class, v.TopCause.Kind, v.Sentence)
		}
	}
}
