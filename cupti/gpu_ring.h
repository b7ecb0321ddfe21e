/* The shared memory between the shim (producer, inside the profiled process) and
 * the sidecar (consumer). This header is the single source of the layout: the
 * shim compiles it, and a test of the sidecar's decoder reads it as text.
 *
 * The file is one page of header followed by `capacity` bytes of records
 * (capacity is a power of two). The sidecar creates and removes it; the shim maps
 * it. head and tail count bytes since the beginning and never wrap. The producer
 * writes records, then publishes them by a release store of head; the consumer
 * reads up to an acquire load of head, then gives the space back by a release
 * store of tail. A record never wraps around the end of the data: a PAD record
 * fills the rest. What does not fit is dropped and counted: the producer never waits.
 *
 * Times are CUPTI timestamps, unconverted; CLOCK records relate them to
 * CLOCK_MONOTONIC. All integers are little-endian on every supported machine. */
#ifndef INFERSCOPE_GPU_RING_H
#define INFERSCOPE_GPU_RING_H

#include <stddef.h>
#include <stdint.h>

#define GPU_RING_MAGIC 0x474e525550474e49u
#define GPU_RING_VERSION 1
#define GPU_RING_HEADER_BYTES 4096
#define GPU_RING_LEAST 65536 /* capacity: room for the longest record, whatever the position */

struct gpu_ring_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t capacity;
    uint64_t reserved0[5];
    /* Producer's cache line. */
    uint64_t head;
    uint64_t dropped;   /* records that did not fit */
    uint64_t lost;      /* records that CUPTI itself dropped */
    uint64_t invalid;   /* records refused as implausible */
    uint64_t discarded; /* activity buffers thrown away for lack of memory */
    uint32_t state;     /* enum gpu_ring_state */
    uint32_t reserved1;
    uint64_t unnamed; /* times that a name was not sent because there are too many */
    uint64_t earlier_ns; /* how long the device was busy with work from before the capture, which was waited for */
    /* Consumer's cache line. */
    uint64_t tail;
    uint64_t reserved3[7];
};
_Static_assert(sizeof(struct gpu_ring_header) == 192, "header size");
_Static_assert(offsetof(struct gpu_ring_header, version) == 8, "header.version");
_Static_assert(offsetof(struct gpu_ring_header, header_bytes) == 12, "header.header_bytes");
_Static_assert(offsetof(struct gpu_ring_header, capacity) == 16, "header.capacity");
_Static_assert(offsetof(struct gpu_ring_header, dropped) == 72, "header.dropped");
_Static_assert(offsetof(struct gpu_ring_header, lost) == 80, "header.lost");
_Static_assert(offsetof(struct gpu_ring_header, invalid) == 88, "header.invalid");
_Static_assert(offsetof(struct gpu_ring_header, discarded) == 96, "header.discarded");
_Static_assert(offsetof(struct gpu_ring_header, state) == 104, "header.state");
_Static_assert(offsetof(struct gpu_ring_header, unnamed) == 112, "header.unnamed");
_Static_assert(offsetof(struct gpu_ring_header, earlier_ns) == 120, "header.earlier_ns");
_Static_assert(offsetof(struct gpu_ring_header, head) == 64, "head on its own line");
_Static_assert(offsetof(struct gpu_ring_header, tail) == 128, "tail on its own line");

enum gpu_ring_state { GPU_RING_IDLE = 0, GPU_RING_ARMED = 1, GPU_RING_ON = 2, GPU_RING_ENDED = 3 };

/* Every record begins with this; size counts the whole record and is a multiple of 8. */
struct gpu_record {
    uint16_t type;
    uint16_t size;
    uint32_t name; /* id given by a NAME record, 0 for none; other meanings per type */
};
_Static_assert(offsetof(struct gpu_record, size) == 2, "record.size");
_Static_assert(offsetof(struct gpu_record, name) == 4, "record.name");

enum gpu_record_type {
    GPU_RECORD_PAD = 0,
    GPU_RECORD_NAME = 1,
    GPU_RECORD_CLOCK = 2,
    GPU_RECORD_DEVICE = 3,
    GPU_RECORD_KERNEL = 4,
    GPU_RECORD_MEMCPY = 5,
    GPU_RECORD_MEMSET = 6,
    GPU_RECORD_API = 7,
    GPU_RECORD_SYNC = 8,
    GPU_RECORD_OVERHEAD = 9,
    GPU_RECORD_WINDOW = 10
};

/* Text: head.name is the id that it defines; length bytes follow, padded. */
struct gpu_record_name {
    struct gpu_record head;
    uint32_t length;
    uint32_t reserved;
    char text[];
};
_Static_assert(sizeof(struct gpu_record_name) == 16, "name");
_Static_assert(offsetof(struct gpu_record_name, length) == 8, "name.length");

/* The clocks at one moment: cupti was read within +-error ns of monotonic. */
struct gpu_record_clock {
    struct gpu_record head;
    uint64_t monotonic;
    uint64_t cupti;
    uint64_t error;
};
_Static_assert(sizeof(struct gpu_record_clock) == 32, "clock");
_Static_assert(offsetof(struct gpu_record_clock, monotonic) == 8, "clock.monotonic");
_Static_assert(offsetof(struct gpu_record_clock, cupti) == 16, "clock.cupti");
_Static_assert(offsetof(struct gpu_record_clock, error) == 24, "clock.error");

/* A device; head.name is its product name, pci its bus id as NVML spells it. */
struct gpu_record_device {
    struct gpu_record head;
    uint32_t index;
    uint32_t reserved;
    uint64_t memory_bytes;
    char pci[16];
};
_Static_assert(sizeof(struct gpu_record_device) == 40, "device");
_Static_assert(offsetof(struct gpu_record_device, index) == 8, "device.index");
_Static_assert(offsetof(struct gpu_record_device, memory_bytes) == 16, "device.memory_bytes");
_Static_assert(offsetof(struct gpu_record_device, pci) == 24, "device.pci");

struct gpu_record_kernel {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint32_t device;
    uint32_t stream;
    uint32_t correlation;
    uint32_t graph; /* 0 when not launched by a CUDA graph */
    uint32_t grid[3];
    uint32_t block[3];
    uint32_t shared_bytes; /* static + dynamic */
    uint32_t context;
};
_Static_assert(sizeof(struct gpu_record_kernel) == 72, "kernel");
_Static_assert(offsetof(struct gpu_record_kernel, start) == 8, "kernel.start");
_Static_assert(offsetof(struct gpu_record_kernel, end) == 16, "kernel.end");
_Static_assert(offsetof(struct gpu_record_kernel, device) == 24, "kernel.device");
_Static_assert(offsetof(struct gpu_record_kernel, stream) == 28, "kernel.stream");
_Static_assert(offsetof(struct gpu_record_kernel, correlation) == 32, "kernel.correlation");
_Static_assert(offsetof(struct gpu_record_kernel, graph) == 36, "kernel.graph");

struct gpu_record_memcpy {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint64_t bytes;
    uint32_t device;
    uint32_t stream;
    uint32_t correlation;
    uint8_t copy_kind; /* CUpti_ActivityMemcpyKind */
    uint8_t src_kind;  /* CUpti_ActivityMemoryKind */
    uint8_t dst_kind;
    uint8_t peer; /* 1: src_device and dst_device are set */
    uint32_t src_device;
    uint32_t dst_device;
};
_Static_assert(sizeof(struct gpu_record_memcpy) == 56, "memcpy");
_Static_assert(offsetof(struct gpu_record_memcpy, bytes) == 24, "memcpy.bytes");
_Static_assert(offsetof(struct gpu_record_memcpy, device) == 32, "memcpy.device");
_Static_assert(offsetof(struct gpu_record_memcpy, stream) == 36, "memcpy.stream");
_Static_assert(offsetof(struct gpu_record_memcpy, correlation) == 40, "memcpy.correlation");
_Static_assert(offsetof(struct gpu_record_memcpy, copy_kind) == 44, "memcpy.copy_kind");
_Static_assert(offsetof(struct gpu_record_memcpy, src_kind) == 45, "memcpy.src_kind");
_Static_assert(offsetof(struct gpu_record_memcpy, dst_kind) == 46, "memcpy.dst_kind");

struct gpu_record_memset {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint64_t bytes;
    uint32_t device;
    uint32_t stream;
    uint32_t correlation;
    uint32_t memory_kind;
};
_Static_assert(sizeof(struct gpu_record_memset) == 48, "memset");
_Static_assert(offsetof(struct gpu_record_memset, bytes) == 24, "memset.bytes");
_Static_assert(offsetof(struct gpu_record_memset, device) == 32, "memset.device");
_Static_assert(offsetof(struct gpu_record_memset, stream) == 36, "memset.stream");
_Static_assert(offsetof(struct gpu_record_memset, correlation) == 40, "memset.correlation");

/* A host call; head.name is the function's name. */
struct gpu_record_api {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint32_t thread; /* system thread id */
    uint32_t correlation;
    uint32_t cbid; /* bit 31 set: driver, else runtime */
    uint32_t returned;
};
_Static_assert(sizeof(struct gpu_record_api) == 40, "api");
_Static_assert(offsetof(struct gpu_record_api, thread) == 24, "api.thread");
_Static_assert(offsetof(struct gpu_record_api, correlation) == 28, "api.correlation");

struct gpu_record_sync {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint32_t type; /* CUpti_ActivitySynchronizationType */
    uint32_t stream;
    uint32_t correlation;
    uint32_t event;
};
_Static_assert(sizeof(struct gpu_record_sync) == 40, "sync");

struct gpu_record_overhead {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint32_t kind; /* CUpti_ActivityOverheadKind */
    uint32_t thread;
};
_Static_assert(sizeof(struct gpu_record_overhead) == 32, "overhead");

/* A stretch in which everything was captured. A capture that is whole from its beginning to its end has none; one that
 * the overhead governor cut into windows has one for each, and what lies between them was not seen. Unlike all others its
 * times are CLOCK_MONOTONIC of the producer. */
struct gpu_record_window {
    struct gpu_record head;
    uint64_t start;
    uint64_t end;
    uint64_t launches;     /* calls that launched kernels or graphs within it */
    uint64_t first_kernel; /* the driver's running number of the first and the last kernel launched by a call of its own */
    uint64_t last_kernel;  /* (not by a graph): what is missing in between two windows was not seen. 0: not known */
};
_Static_assert(sizeof(struct gpu_record_window) == 48, "window");
_Static_assert(offsetof(struct gpu_record_window, start) == 8, "window.start");
_Static_assert(offsetof(struct gpu_record_window, end) == 16, "window.end");
_Static_assert(offsetof(struct gpu_record_window, launches) == 24, "window.launches");
_Static_assert(offsetof(struct gpu_record_window, first_kernel) == 32, "window.first_kernel");
_Static_assert(offsetof(struct gpu_record_window, last_kernel) == 40, "window.last_kernel");

#endif
