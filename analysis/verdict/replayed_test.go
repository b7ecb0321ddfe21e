package verdict_test

import (
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

// loopOf is 100 steps of 10 ms on a host whose every switch is recorded; more is what happens in each.
func loopOf(more string) string {
	return `window 0s 1s
source
step(x)
end
device 0 H100
thread m main python known period=2ms
stack step step@/home/u/a.py:7 <module>@<cell>:1
line m 0s 1
repeat 100 every 10ms
` + more + `
sample m 3ms python stack=step
sample m 7ms python stack=step
end
`
}

// The class is that of the side that would save most, not of the one that takes most.
func TestClassesByReplay(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		class result.Class
	}{
		// The GPU is busy for 95% of the time, and so is the host, which never waits: neither alone holds the other up.
		"both are busy": {loopOf("kernel m 1us 5us 10us 9510us gemm"), result.Balanced},
		// The same, but the host waits in a call.
		"the host waits": {loopOf("kernel m 1us 5us 10us 9510us gemm\ncall m 10us 9515us sync cudaStreamSynchronize"), result.GPUBound},
		// 60% of the wall are kernels that the host does not wait for, 40% the GPU is idle.
		"kernels behind the host": {loopOf("kernel m 1us 5us 10us 6010us gemm"), result.CPUBound},
		// Copies that nothing waits for would save nothing.
		"copies behind the host": {loopOf("copy m 1us 5us 10us 6010us HtoD pinned device 1000000"), result.CPUBound},
		"copies that block":      {loopOf("copy m 1us 6015us 10us 6010us HtoD pinned device 1000000"), result.MemoryTransferBound},
		// They would save most, and are not exposed: another stream runs a kernel meanwhile.
		"copies under kernels": {loopOf("copy m 1us 9015us 10us 9010us HtoD pinned device 1000000 stream=1\nkernel m 9016us 9020us 9025us 9900us gemm stream=2\n" +
			"kernel m 9021us 9023us 9901us 19000us gemm stream=2"), result.Balanced},
		"half and half": {loopOf("kernel m 1us 5us 10us 5010us gemm\ncall m 10us 5015us sync cudaStreamSynchronize"), result.Balanced},
	} {
		v := decide(parse(t, c.text), result.Overhead{})
		if v.Leaning != c.class || v.Confidence != v.Evidence*v.Margin*v.Quality {
			t.Errorf("%s: %s (%.2f), want %s: %s", name, v.Leaning, v.Confidence, c.class, v.Sentence)
		}
	}
}

// Where nothing can be replayed the parts of the wall decide, and the verdict says so.
func TestByPartsWhereTheReplayIsRefused(t *testing.T) {
	text := loopOf("kernel m 1us 5us 10us 6010us gemm") // a kernel that nothing waits for, for 60% of the wall
	by := decide(parse(t, text), result.Overhead{})
	parts := decide(parse(t, text+"loss cupti 100 GPU records did not fit into the ring"), result.Overhead{})
	if by.Leaning != result.CPUBound || parts.Leaning != result.GPUBound {
		t.Errorf("replayed %s, by parts %s", by.Leaning, parts.Leaning)
	}
	const says = "the verdict is by parts of the wall, as nothing could be replayed"
	if strings.Contains(by.EvidenceWhy, says) || !strings.Contains(parts.EvidenceWhy, says) {
		t.Errorf("replayed %q, by parts %q", by.EvidenceWhy, parts.EvidenceWhy)
	}
}

// A replay that contradicts what happened lowers the quality.
func TestIdentityErrorLowersQuality(t *testing.T) {
	text := loopOf("kernel m 1us 5us 10us 9510us gemm\ncall m 10us 9515us sync cudaStreamSynchronize")
	sure := decide(parse(t, text), result.Overhead{})
	off := decide(parse(t, text+"repeat 100 every 10ms\nkernel m 2us 3us 20us 400us gemm\nend"), result.Overhead{})
	if sure.Quality != 1 || off.Quality > 0.98 || !strings.Contains(off.QualityWhy, "replayed") {
		t.Errorf("%v, %v: %s", sure.Quality, off.Quality, off.QualityWhy)
	}
}
