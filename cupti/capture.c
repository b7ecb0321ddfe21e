#define _GNU_SOURCE
#include "capture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "library.h"
#include "names.h"
#include "ring.h"

#define EXPORTED __attribute__((visibility("default")))
#define DEFAULT_BUFFER_BYTES (4u << 20)
#define DEFAULT_MAX_BUFFERS 64u
#define MAX_CANDIDATES 16
#define MAX_DEVICES 64

enum state { IDLE, ARMED, ON };

/* One capture at a time in a process. `control` orders begin, end and the late
 * start; `records` guards the ring, the names and the buffer pool against CUPTI's
 * callbacks. No call into CUPTI is made while `records` is held, but for reading
 * a buffer that CUPTI has given to us. */
static struct {
    pthread_mutex_t control;
    pthread_mutex_t records;
    _Atomic int state;
    pid_t pid;
    struct inferscope_options options;
    struct cupti cupti;
    struct driver driver;
    char *candidates[MAX_CANDIDATES + 1];
    struct ring ring;
    char ring_path[512];
    struct names names;
    struct calls calls;
    uint8_t *pool[256];
    uint32_t pooled, allocated;
    uint32_t buffer_bytes;
    uint64_t written;
    uint64_t on_ns, start_cost_ns;
    struct inferscope_outcome late; /* of a start that InitializeInjection made */
    int atfork;
} shim = {.control = PTHREAD_MUTEX_INITIALIZER, .records = PTHREAD_MUTEX_INITIALIZER};

static uint64_t monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- activity buffers --------------------------------------------------- */

static uint8_t *new_buffer(void) {
    void *map = mmap(NULL, shim.buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (map == MAP_FAILED) return NULL;
    madvise(map, shim.buffer_bytes, MADV_DONTFORK);
    shim.allocated++;
    return map;
}

/* Handed out when memory is used up: CUPTI before 12.9 cannot take a NULL. Its records are thrown away and counted. */
static uint8_t discard[8192] __attribute__((aligned(4096)));

static void buffer_request(uint8_t **buffer, size_t *size, size_t *max_records) {
    *max_records = 0;
    pthread_mutex_lock(&shim.records);
    uint8_t *take = NULL;
    if (shim.pooled > 0) {
        take = shim.pool[--shim.pooled];
    } else if (shim.allocated < shim.options.max_buffers) {
        take = new_buffer();
    }
    *buffer = take ? take : discard;
    *size = take ? shim.buffer_bytes : sizeof discard;
    pthread_mutex_unlock(&shim.records);
}

static uint32_t name_of(const char *text) { return names_intern(&shim.names, &shim.ring, text); }

static void put(const void *record) {
    if (ring_write(&shim.ring, record)) shim.written++;
}

static int plausible(uint64_t start, uint64_t end) { return start != 0 && end >= start; }

static void convert_kernel(const struct abi_kernel *k) {
    struct gpu_record_kernel out = {
        .head = {GPU_RECORD_KERNEL, sizeof out, k->name ? name_of(k->name) : 0},
        .start = k->start, .end = k->end, .device = k->device, .stream = k->stream,
        .correlation = k->correlation, .graph = k->graph_node != 0 ? k->graph : 0, .context = k->context,
        .shared_bytes = (uint32_t)k->static_shared + (uint32_t)k->dynamic_shared};
    for (int i = 0; i < 3; i++) {
        out.grid[i] = (uint32_t)k->grid[i];
        out.block[i] = (uint32_t)k->block[i];
    }
    put(&out);
}

static void convert_memcpy(const struct abi_memcpy *m) {
    struct gpu_record_memcpy out = {
        .head = {GPU_RECORD_MEMCPY, sizeof out, 0}, .start = m->start, .end = m->end, .bytes = m->bytes,
        .device = m->device, .stream = m->stream, .correlation = m->correlation,
        .copy_kind = m->copy_kind, .src_kind = m->src_kind, .dst_kind = m->dst_kind};
    put(&out);
}

static void convert_peer(const struct abi_memcpy_peer *m) {
    struct gpu_record_memcpy out = {
        .head = {GPU_RECORD_MEMCPY, sizeof out, 0}, .start = m->start, .end = m->end, .bytes = m->bytes,
        .device = m->device, .stream = m->stream, .correlation = m->correlation,
        .copy_kind = m->copy_kind, .src_kind = m->src_kind, .dst_kind = m->dst_kind,
        .peer = 1, .src_device = m->src_device, .dst_device = m->dst_device};
    put(&out);
}

static void convert_memset(const struct abi_memset *m) {
    struct gpu_record_memset out = {
        .head = {GPU_RECORD_MEMSET, sizeof out, 0}, .start = m->start, .end = m->end, .bytes = m->bytes,
        .device = m->device, .stream = m->stream, .correlation = m->correlation, .memory_kind = m->memory_kind};
    put(&out);
}

static void convert_api(const struct abi_api *a) {
    int is_driver = a->kind == ABI_KIND_DRIVER;
    const char *text = NULL;
    uint32_t id = calls_name(&shim.calls, is_driver, a->cbid, &text);
    if (id == 0 && text != NULL) {
        id = name_of(text);
        calls_set_name(&shim.calls, is_driver, a->cbid, id);
    }
    struct gpu_record_api out = {
        .head = {GPU_RECORD_API, sizeof out, id}, .start = a->start, .end = a->end, .thread = a->thread,
        .correlation = a->correlation, .cbid = a->cbid | (is_driver ? 0x80000000u : 0), .returned = a->returned};
    put(&out);
}

static void convert_sync(const struct abi_sync *s) {
    struct gpu_record_sync out = {
        .head = {GPU_RECORD_SYNC, sizeof out, 0}, .start = s->start, .end = s->end, .type = s->type,
        .stream = s->stream, .correlation = s->correlation, .event = s->event};
    put(&out);
}

static void convert_overhead(const struct abi_overhead *o) {
    struct gpu_record_overhead out = {
        .head = {GPU_RECORD_OVERHEAD, sizeof out, 0}, .start = o->start, .end = o->end, .kind = o->overhead_kind,
        .thread = o->object_kind == 2 /* CUPTI_ACTIVITY_OBJECT_THREAD */ ? o->object[1] : 0};
    put(&out);
}

/* Copies one CUPTI record into the ring; implausible ones are counted and left out. */
static void convert(const struct abi_record *record) {
    const void *r = record;
    int ok = 1;
#define WITH(type, fn) do { const type *x = r; if ((ok = plausible(x->start, x->end))) fn(x); } while (0)
    switch (record->kind) {
    case ABI_KIND_KERNEL:
    case ABI_KIND_CONCURRENT_KERNEL: WITH(struct abi_kernel, convert_kernel); break;
    case ABI_KIND_MEMCPY: WITH(struct abi_memcpy, convert_memcpy); break;
    case ABI_KIND_MEMCPY2: WITH(struct abi_memcpy_peer, convert_peer); break;
    case ABI_KIND_MEMSET: WITH(struct abi_memset, convert_memset); break;
    case ABI_KIND_DRIVER:
    case ABI_KIND_RUNTIME: WITH(struct abi_api, convert_api); break;
    case ABI_KIND_SYNCHRONIZATION: WITH(struct abi_sync, convert_sync); break;
    case ABI_KIND_OVERHEAD: WITH(struct abi_overhead, convert_overhead); break;
    default: break; /* a kind that somebody else enabled */
    }
#undef WITH
    if (!ok) shim.ring.header->invalid++;
}

static void buffer_complete(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
    (void)size;
    pthread_mutex_lock(&shim.records);
    if (shim.pid == getpid() && shim.ring.header != NULL) {
        if (buffer == discard) {
            shim.ring.header->discarded++;
        } else {
            struct abi_record *record = NULL;
            while (valid > 0 && shim.cupti.ActivityGetNextRecord(buffer, valid, &record) == ABI_SUCCESS) convert(record);
        }
        ring_publish(&shim.ring);
    }
    if (buffer != discard) {
        memset(buffer, 0, valid); /* CUPTI is told that buffers come zeroed */
        if (shim.pooled < sizeof shim.pool / sizeof shim.pool[0]) shim.pool[shim.pooled++] = buffer;
    }
    pthread_mutex_unlock(&shim.records);
    size_t dropped = 0;
    if (valid > 0 && shim.cupti.ActivityGetNumDroppedRecords(context, stream, &dropped) == ABI_SUCCESS && dropped > 0) {
        pthread_mutex_lock(&shim.records);
        if (shim.ring.header != NULL) shim.ring.header->lost += dropped;
        pthread_mutex_unlock(&shim.records);
    }
}

/* ---- clocks, devices ---------------------------------------------------- */

/* The tightest of 100 brackets of one CUPTI timestamp between two monotonic ones. */
static void write_clock(void) {
    struct gpu_record_clock best = {.head = {GPU_RECORD_CLOCK, sizeof best, 0}, .error = UINT64_MAX};
    for (int i = 0; i < 100; i++) {
        uint64_t stamp = 0, before = monotonic();
        if (shim.cupti.GetTimestamp(&stamp) != ABI_SUCCESS) return;
        uint64_t half = (monotonic() - before) / 2;
        if (half < best.error) best = (struct gpu_record_clock){best.head, before + half, stamp, half};
    }
    pthread_mutex_lock(&shim.records);
    put(&best);
    ring_publish(&shim.ring);
    pthread_mutex_unlock(&shim.records);
}

/* Waits for the work of every primary context that is in use, and of the caller's
 * own context; describes those devices. Returns how many contexts were synchronised. */
static uint32_t synchronise(void) {
    if (!driver_find(&shim.driver) || !driver_initialised(&shim.driver)) return 0;
    const struct driver *d = &shim.driver;
    uint32_t done = 0;
    void *own = NULL, *popped = NULL;
    if (d->CtxGetCurrent(&own) == 0 && own != NULL && d->CtxSynchronize() == 0) done++;
    int count = 0;
    d->DeviceGetCount(&count);
    for (int i = 0; i < count && i < MAX_DEVICES; i++) {
        int device = 0, active = 0;
        unsigned flags = 0;
        void *context = NULL;
        if (d->DeviceGet(&device, i) != 0 || d->DevicePrimaryCtxGetState(device, &flags, &active) != 0 || !active) continue;
        if (d->DevicePrimaryCtxRetain(&context, device) != 0) continue;
        if (context != own && d->CtxPushCurrent(context) == 0) {
            if (d->CtxSynchronize() == 0) done++;
            d->CtxPopCurrent(&popped);
        }
        d->DevicePrimaryCtxRelease(device);
        char name[128] = "";
        struct gpu_record_device out = {.head = {GPU_RECORD_DEVICE, sizeof out, 0}, .index = (uint32_t)i};
        size_t bytes = 0;
        d->DeviceGetName(name, sizeof name, device);
        d->DeviceGetPCIBusId(out.pci, sizeof out.pci, device);
        if (d->DeviceTotalMem(&bytes, device) == 0) out.memory_bytes = bytes;
        pthread_mutex_lock(&shim.records);
        out.head.name = name_of(name);
        put(&out);
        ring_publish(&shim.ring);
        pthread_mutex_unlock(&shim.records);
    }
    return done;
}

/* ---- on and off --------------------------------------------------------- */

static int fail(struct inferscope_outcome *outcome, const char *step, int error) {
    if (outcome->step[0] == 0) {
        const char *text = NULL;
        snprintf(outcome->step, sizeof outcome->step, "%s", step);
        outcome->cupti_error = error;
        if (error > 0 && shim.cupti.GetResultString != NULL && shim.cupti.GetResultString(error, &text) == 0 && text)
            snprintf(outcome->detail, sizeof outcome->detail, "%s", text);
    }
    return error != 0 ? error : -1;
}

static const uint32_t device_kinds[] = {ABI_KIND_CONCURRENT_KERNEL, ABI_KIND_MEMCPY, ABI_KIND_MEMSET, ABI_KIND_MEMCPY2,
                                        ABI_KIND_OVERHEAD};
static const uint32_t call_kinds[] = {ABI_KIND_RUNTIME, ABI_KIND_DRIVER, ABI_KIND_SYNCHRONIZATION};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int call_kinds_in_use(void) { return shim.options.correlation != INFERSCOPE_CORRELATION_NONE; }

static void disable(const uint32_t *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) shim.cupti.ActivityDisable(kinds[i]);
}

/* Maps the ring and has the first activity buffers ready. control is held. */
static const char *open_ring(void) {
    pthread_mutex_lock(&shim.records);
    names_reset(&shim.names);
    calls_forget_names(&shim.calls);
    const char *why = ring_open(&shim.ring, shim.ring_path);
    while (why == NULL && shim.allocated < 2 && shim.pooled < 2) {
        uint8_t *buffer = new_buffer();
        if (buffer == NULL) break;
        shim.pool[shim.pooled++] = buffer;
    }
    pthread_mutex_unlock(&shim.records);
    return why;
}

static void close_ring(void) {
    pthread_mutex_lock(&shim.records);
    if (shim.ring.header != NULL) {
        shim.ring.header->state = GPU_RING_ENDED;
        ring_publish(&shim.ring);
        ring_close(&shim.ring);
    }
    pthread_mutex_unlock(&shim.records);
}

static int enable_kinds(struct inferscope_outcome *outcome);

/* Switches CUPTI on. control is held; returns 0 or an error that is described in
 * outcome, and then nothing is left on. */
static int turn_on(struct inferscope_outcome *outcome) {
    uint64_t began = monotonic();
    const char *why = open_ring();
    if (why != NULL) {
        snprintf(outcome->detail, sizeof outcome->detail, "%s", why);
        return fail(outcome, "open the ring", -1);
    }
    int error = enable_kinds(outcome);
    if (error != 0) {
        close_ring();
        return error;
    }
    write_clock();
    shim.ring.header->state = GPU_RING_ON;
    shim.on_ns = monotonic();
    shim.start_cost_ns = shim.on_ns - began;
    atomic_store(&shim.state, ON);
    return 0;
}

/* The first step of turn_on, and the one that can fail for reasons of CUPTI. */
static int enable_kinds(struct inferscope_outcome *outcome) {
    const char *why = cupti_find(&shim.cupti, (const char *const *)shim.candidates);
    if (why != NULL) {
        snprintf(outcome->detail, sizeof outcome->detail, "%s", why);
        return fail(outcome, "find CUPTI", -1);
    }
    const struct cupti *c = &shim.cupti;
    int error;
    if ((error = c->ActivityRegisterCallbacks(buffer_request, buffer_complete)) != 0) return fail(outcome, "register callbacks", error);
    c->SetThreadIdType(ABI_THREAD_ID_SYSTEM);
    uint8_t zeroed = 1;
    size_t size = sizeof zeroed;
    c->ActivitySetAttribute(ABI_ATTR_ZEROED_OUT_ACTIVITY_BUFFER, &size, &zeroed);
    calls_prepare(&shim.calls, c);
    for (size_t i = 0; i < COUNT(device_kinds); i++) {
        if ((error = c->ActivityEnable(device_kinds[i])) != 0) {
            disable(device_kinds, i);
            return fail(outcome, "enable device activity", error);
        }
    }
    if (call_kinds_in_use()) {
        for (size_t i = 0; i < COUNT(call_kinds); i++) {
            if ((error = c->ActivityEnable(call_kinds[i])) != 0) {
                disable(call_kinds, i);
                disable(device_kinds, COUNT(device_kinds));
                return fail(outcome, "enable call activity", error);
            }
        }
        if (shim.options.correlation == INFERSCOPE_CORRELATION_SELECTED) calls_silence_noise(&shim.calls, c);
    }
    return 0;
}

/* The driver calls this from cuInit when the process was started or armed with
 * CUDA_INJECTION64_PATH naming this library: the late start of an armed capture. */
EXPORTED int InitializeInjection(void);
int InitializeInjection(void) {
    if (atomic_load(&shim.state) != ARMED || shim.pid != getpid()) return 1;
    pthread_mutex_lock(&shim.control);
    if (atomic_load(&shim.state) == ARMED) {
        /* A failure leaves the capture armed; end reports it. */
        memset(&shim.late, 0, sizeof shim.late);
        turn_on(&shim.late);
    }
    pthread_mutex_unlock(&shim.control);
    return 1;
}

/* In a forked child nothing of ours runs: CUPTI's threads are gone, the ring is
 * not mapped, and the locks may have been held. */
static void in_child(void) {
    atomic_store(&shim.state, IDLE);
    pthread_mutex_init(&shim.control, NULL);
    pthread_mutex_init(&shim.records, NULL);
    memset(&shim.ring, 0, sizeof shim.ring);
    shim.pooled = 0;
    shim.allocated = shim.options.max_buffers;
}

static void set_candidates(const char *const *candidates) {
    for (int i = 0; i < MAX_CANDIDATES; i++) {
        free(shim.candidates[i]);
        shim.candidates[i] = NULL;
    }
    for (int i = 0; candidates != NULL && candidates[i] != NULL && i < MAX_CANDIDATES; i++) shim.candidates[i] = strdup(candidates[i]);
}

static void fill(struct inferscope_outcome *outcome) {
    outcome->size = sizeof *outcome;
    outcome->version = shim.cupti.version;
    outcome->records = shim.written;
    outcome->on_ns = shim.on_ns;
    outcome->started = shim.on_ns != 0;
    outcome->start_cost_ns = shim.start_cost_ns;
    snprintf(outcome->library, sizeof outcome->library, "%s", shim.cupti.path);
}

EXPORTED int inferscope_capture_begin(const char *ring_path, const char *const *candidates,
                             const struct inferscope_options *options, struct inferscope_outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    pthread_mutex_lock(&shim.control);
    int result = 0;
    if (atomic_load(&shim.state) != IDLE) {
        snprintf(outcome->detail, sizeof outcome->detail, "a capture is already going on");
        result = fail(outcome, "begin", -1);
        goto out;
    }
    if (!shim.atfork) {
        pthread_atfork(NULL, NULL, in_child);
        shim.atfork = 1;
    }
    shim.pid = getpid();
    shim.options = *options;
    if (shim.allocated == 0 || shim.buffer_bytes == 0) shim.buffer_bytes = options->buffer_bytes ? options->buffer_bytes : DEFAULT_BUFFER_BYTES;
    if (shim.options.max_buffers == 0 || shim.options.max_buffers > COUNT(shim.pool)) shim.options.max_buffers = DEFAULT_MAX_BUFFERS;
    set_candidates(candidates);
    shim.written = shim.on_ns = shim.start_cost_ns = 0;
    memset(&shim.late, 0, sizeof shim.late);
    snprintf(shim.ring_path, sizeof shim.ring_path, "%s", ring_path);
    if (driver_find(&shim.driver) && driver_initialised(&shim.driver)) result = turn_on(outcome);
    else atomic_store(&shim.state, ARMED);
out:
    fill(outcome);
    pthread_mutex_unlock(&shim.control);
    return result;
}

EXPORTED int inferscope_capture_end(struct inferscope_outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    pthread_mutex_lock(&shim.control);
    uint64_t began = monotonic();
    int result = 0, error;
    int state = atomic_load(&shim.state);
    if (state == ARMED && shim.late.step[0] != 0) {
        *outcome = shim.late;
        result = outcome->cupti_error != 0 ? outcome->cupti_error : -1;
    }
    if (state == ON) {
        const struct cupti *c = &shim.cupti;
        if (call_kinds_in_use()) disable(call_kinds, COUNT(call_kinds));
        outcome->devices = synchronise();
        if ((error = c->ActivityFlushAll(ABI_FLUSH_COMPLETED)) != 0) result = fail(outcome, "flush", error);
        write_clock();
        disable(device_kinds, COUNT(device_kinds));
        if ((error = c->ActivityFlushAll(ABI_FLUSH_FORCED)) != 0) result = fail(outcome, "flush", error);
        if (shim.options.finalize && c->Finalize != NULL && c->version >= ABI_VERSION_12_6) {
            if ((error = c->Finalize()) == 0) outcome->finalized = 1;
            else result = fail(outcome, "finalize", error);
        }
    }
    atomic_store(&shim.state, IDLE);
    close_ring();
    fill(outcome);
    outcome->stop_cost_ns = monotonic() - began;
    pthread_mutex_unlock(&shim.control);
    return result;
}

EXPORTED int inferscope_capture_state(void) { return atomic_load(&shim.state); }
