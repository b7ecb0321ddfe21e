/* The part of CUPTI's binary interface that InferScope uses, declared anew.
 *
 * NVIDIA's headers may not be redistributed and differ by version, so this file
 * names only what is read, by offset. The offsets below are the same in CUPTI
 * 11.8, 12.1, 12.9, 13.0 and 13.5 (checked against cupti_activity.h of each with
 * offsetof): records only ever grow at their end. Enumerators carry NVIDIA's
 * values; every function is found by dlsym and called through these types. */
#ifndef INFERSCOPE_CUPTI_ABI_H
#define INFERSCOPE_CUPTI_ABI_H

#include <stddef.h>
#include <stdint.h>

/* CUptiResult: 0 is success. */
enum {
    ABI_SUCCESS = 0,
    ABI_ERROR_MAX_LIMIT_REACHED = 12, /* GetNextRecord: the buffer is read */
    ABI_ERROR_MULTIPLE_SUBSCRIBERS = 39
};

/* CUpti_ActivityKind */
enum {
    ABI_KIND_MEMCPY = 1,
    ABI_KIND_MEMSET = 2,
    ABI_KIND_KERNEL = 3,
    ABI_KIND_DRIVER = 4,
    ABI_KIND_RUNTIME = 5,
    ABI_KIND_CONCURRENT_KERNEL = 10,
    ABI_KIND_OVERHEAD = 17,
    ABI_KIND_MEMCPY2 = 22,
    ABI_KIND_SYNCHRONIZATION = 38,
    ABI_KIND_GRAPH_TRACE = 51
};

/* CUpti_CallbackDomain */
enum { ABI_DOMAIN_DRIVER = 1, ABI_DOMAIN_RUNTIME = 2 };

/* CUpti_ApiCallbackSite */
enum { ABI_SITE_ENTER = 0, ABI_SITE_EXIT = 1 };

/* CUpti_ActivityAttribute */
enum {
    ABI_ATTR_DEVICE_BUFFER_SIZE = 0,
    ABI_ATTR_ZEROED_OUT_ACTIVITY_BUFFER = 5
};

/* CUpti_ActivityThreadIdType */
enum { ABI_THREAD_ID_SYSTEM = 1 };

/* CUpti_ActivityFlag for cuptiActivityFlushAll */
enum { ABI_FLUSH_COMPLETED = 0, ABI_FLUSH_FORCED = 1 };

/* API version numbers as cuptiGetVersion returns them. */
enum { ABI_VERSION_11_8 = 18, ABI_VERSION_12_6 = 24 };

/* The prefix of CUpti_ActivityKernel8 .. 13. */
struct abi_kernel {
    uint32_t kind;
    uint32_t pad0[3];
    uint64_t start;
    uint64_t end;
    uint64_t completed;
    uint32_t device;
    uint32_t context;
    uint32_t stream;
    int32_t grid[3];
    int32_t block[3];
    int32_t static_shared;
    int32_t dynamic_shared;
    uint32_t local_per_thread;
    uint32_t local_total;
    uint32_t correlation;
    int64_t grid_id;
    const char *name;
    void *reserved;
    uint64_t queued;
    uint64_t submitted;
    uint8_t launch_type;
    uint8_t pad1[7];
    uint64_t graph_node;
    uint32_t pad2;
    uint32_t graph;
};
_Static_assert(offsetof(struct abi_kernel, start) == 16, "kernel.start");
_Static_assert(offsetof(struct abi_kernel, device) == 40, "kernel.deviceId");
_Static_assert(offsetof(struct abi_kernel, grid) == 52, "kernel.gridX");
_Static_assert(offsetof(struct abi_kernel, block) == 64, "kernel.blockX");
_Static_assert(offsetof(struct abi_kernel, static_shared) == 76, "kernel.staticSharedMemory");
_Static_assert(offsetof(struct abi_kernel, correlation) == 92, "kernel.correlationId");
_Static_assert(offsetof(struct abi_kernel, name) == 104, "kernel.name");
_Static_assert(offsetof(struct abi_kernel, queued) == 120, "kernel.queued");

/* The prefix of CUpti_ActivityMemcpy5 .. 7. */
struct abi_memcpy {
    uint32_t kind;
    uint8_t copy_kind;
    uint8_t src_kind;
    uint8_t dst_kind;
    uint8_t flags;
    uint64_t bytes;
    uint64_t start;
    uint64_t end;
    uint32_t device;
    uint32_t context;
    uint32_t stream;
    uint32_t correlation;
};
_Static_assert(offsetof(struct abi_memcpy, bytes) == 8, "memcpy.bytes");
_Static_assert(offsetof(struct abi_memcpy, correlation) == 44, "memcpy.correlationId");

/* The prefix of CUpti_ActivityMemcpyPtoP4. */
struct abi_memcpy_peer {
    uint32_t kind;
    uint8_t copy_kind;
    uint8_t src_kind;
    uint8_t dst_kind;
    uint8_t flags;
    uint64_t bytes;
    uint64_t start;
    uint64_t end;
    uint32_t device;
    uint32_t context;
    uint32_t stream;
    uint32_t src_device;
    uint32_t src_context;
    uint32_t dst_device;
    uint32_t dst_context;
    uint32_t correlation;
};
_Static_assert(offsetof(struct abi_memcpy_peer, correlation) == 60, "memcpy2.correlationId");

/* The prefix of CUpti_ActivityMemset4 and 5. */
struct abi_memset {
    uint32_t kind;
    uint32_t value;
    uint64_t bytes;
    uint64_t start;
    uint64_t end;
    uint32_t device;
    uint32_t context;
    uint32_t stream;
    uint32_t correlation;
    uint16_t flags;
    uint16_t memory_kind;
};
_Static_assert(offsetof(struct abi_memset, memory_kind) == 50, "memset.memoryKind");

/* CUpti_ActivityAPI, whole. */
struct abi_api {
    uint32_t kind;
    uint32_t cbid;
    uint64_t start;
    uint64_t end;
    uint32_t process;
    uint32_t thread;
    uint32_t correlation;
    uint32_t returned;
};
_Static_assert(sizeof(struct abi_api) == 40, "CUpti_ActivityAPI");

/* The prefix of CUpti_ActivitySynchronization and 2. */
struct abi_sync {
    uint32_t kind;
    uint32_t type;
    uint64_t start;
    uint64_t end;
    uint32_t correlation;
    uint32_t context;
    uint32_t stream;
    uint32_t event;
};
_Static_assert(offsetof(struct abi_sync, event) == 36, "synchronization.cudaEventId");

/* The prefix of CUpti_ActivityOverhead .. 3. */
struct abi_overhead {
    uint32_t kind;
    uint32_t overhead_kind;
    uint32_t object_kind;
    uint32_t object[3];
    uint64_t start;
    uint64_t end;
};
_Static_assert(offsetof(struct abi_overhead, start) == 24, "overhead.start");

/* CUpti_CallbackData, whole. */
struct abi_callback {
    int32_t site;
    const char *function;
    const void *parameters;
    void *returned; /* at the exit: of the function's result, an int for the driver and the runtime */
    const char *symbol;
    void *context;
    uint32_t context_uid;
    uint64_t *correlation_data;
    uint32_t correlation;
};
_Static_assert(offsetof(struct abi_callback, returned) == 24, "callback.functionReturnValue");
_Static_assert(offsetof(struct abi_callback, context_uid) == 48, "callback.contextUid");
_Static_assert(offsetof(struct abi_callback, correlation) == 64, "callback.correlationId");

/* Any record: the kind comes first in all of them. */
struct abi_record {
    uint32_t kind;
};

typedef void (*abi_buffer_request)(uint8_t **buffer, size_t *size, size_t *max_records);
typedef void (*abi_callback_function)(void *user, int32_t domain, uint32_t cbid, const void *data);
typedef void (*abi_buffer_complete)(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid);

#endif
