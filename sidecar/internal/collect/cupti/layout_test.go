package cupti

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// TestLayoutOfTheHeader compares the decoder with the header that the shim compiles.
func TestLayoutOfTheHeader(t *testing.T) {
	content, err := os.ReadFile(root + "/cupti/gpu_ring.h")
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) int {
		n, err := strconv.ParseUint(text, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	header := map[string]int{}
	for _, found := range regexp.MustCompile(`(?m)^#define (GPU_RING_\w+) (0x[0-9a-f]+|\d+)u?\b`).FindAllStringSubmatch(string(content), -1) {
		header[found[1]] = number(found[2])
	}
	for _, found := range regexp.MustCompile(`\b(GPU_(?:RING|RECORD)_\w+) = (\d+)`).FindAllStringSubmatch(string(content), -1) {
		header[found[1]] = number(found[2])
	}
	for _, found := range regexp.MustCompile(`sizeof\(struct (gpu_record_\w+)\) == (\d+)`).FindAllStringSubmatch(string(content), -1) {
		header[found[1]] = number(found[2])
	}
	for _, found := range regexp.MustCompile(`offsetof\(struct (gpu_\w+), (\w+)\) == (\d+)`).FindAllStringSubmatch(string(content), -1) {
		header[found[1]+"."+found[2]] = number(found[3])
	}
	decoder := map[string]int{
		"GPU_RING_MAGIC": ringMagic, "GPU_RING_VERSION": ringVersion, "GPU_RING_HEADER_BYTES": ringHeaderBytes, "GPU_RING_LEAST": ringLeast,
		"GPU_RING_IDLE": stateIdle, "GPU_RING_ARMED": stateArmed, "GPU_RING_ON": stateOn, "GPU_RING_ENDED": stateEnded,
		"GPU_RECORD_PAD": recordPad, "GPU_RECORD_NAME": recordName, "GPU_RECORD_CLOCK": recordClock, "GPU_RECORD_DEVICE": recordDevice,
		"GPU_RECORD_KERNEL": recordKernel, "GPU_RECORD_MEMCPY": recordMemcpy, "GPU_RECORD_MEMSET": recordMemset,
		"GPU_RECORD_API": recordAPI, "GPU_RECORD_SYNC": recordSync, "GPU_RECORD_OVERHEAD": recordOverhead, "GPU_RECORD_WINDOW": recordWindow,
		"gpu_record_name": recordBytes[recordName], "gpu_record_clock": recordBytes[recordClock],
		"gpu_record_device": recordBytes[recordDevice], "gpu_record_kernel": recordBytes[recordKernel],
		"gpu_record_memcpy": recordBytes[recordMemcpy], "gpu_record_memset": recordBytes[recordMemset],
		"gpu_record_api": recordBytes[recordAPI], "gpu_record_sync": recordBytes[recordSync],
		"gpu_record_overhead": recordBytes[recordOverhead], "gpu_record_window": recordBytes[recordWindow],

		"gpu_ring_header.version": offVersion, "gpu_ring_header.header_bytes": offHeaderBytes, "gpu_ring_header.capacity": offCapacity,
		"gpu_ring_header.head": offHead, "gpu_ring_header.dropped": offDropped, "gpu_ring_header.lost": offLost,
		"gpu_ring_header.invalid": offInvalid, "gpu_ring_header.discarded": offDiscarded, "gpu_ring_header.state": offState, "gpu_ring_header.unnamed": offUnnamed, "gpu_ring_header.earlier_ns": offEarlier,
		"gpu_ring_header.tail": offTail,

		"gpu_record.size": 2, "gpu_record.name": 4, "gpu_record_name.length": 8, "gpu_record_clock.monotonic": 8,
		"gpu_record_clock.cupti": 16, "gpu_record_clock.error": 24, "gpu_record_device.index": 8,
		"gpu_record_device.memory_bytes": 16, "gpu_record_device.pci": 24, "gpu_record_kernel.start": 8, "gpu_record_kernel.end": 16,
		"gpu_record_kernel.device": 24, "gpu_record_kernel.stream": 28, "gpu_record_kernel.correlation": 32,
		"gpu_record_kernel.graph": 36, "gpu_record_memcpy.bytes": 24, "gpu_record_memcpy.device": 32, "gpu_record_memcpy.stream": 36,
		"gpu_record_memcpy.correlation": 40, "gpu_record_memcpy.copy_kind": 44, "gpu_record_memcpy.src_kind": 45,
		"gpu_record_memcpy.dst_kind": 46, "gpu_record_memset.bytes": 24, "gpu_record_memset.device": 32,
		"gpu_record_memset.stream": 36, "gpu_record_memset.correlation": 40, "gpu_record_api.thread": 24,
		"gpu_record_api.correlation": 28, "gpu_record_window.start": 8, "gpu_record_window.end": 16, "gpu_record_window.launches": 24,
		"gpu_record_window.first_kernel": 32, "gpu_record_window.last_kernel": 40,
	}
	for name, value := range decoder {
		if got, ok := header[name]; !ok || got != value {
			t.Errorf("%s is %d here and %d in the header (there at all: %v)", name, value, got, ok)
		}
	}
	for name, value := range header {
		if _, ok := decoder[name]; !ok {
			t.Errorf("%s = %d of the header is unknown here", name, value)
		}
	}
}
