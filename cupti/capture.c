#define _GNU_SOURCE
#include "capture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buffers.h"
#include "convert.h"
#include "drain.h"
#include "library.h"

#define EXPORTED __attribute__((visibility("default")))
#define MAX_CANDIDATES 16
#define MAX_DEVICES 64
#define DEFAULT_DRAIN_MS 10000u

/* STARTING is the late start of an armed capture, while it lasts. */
enum state { IDLE, ARMED, ON, STARTING };

/* One capture at a time in a process. `control` orders begin, drain, end and the late start, and is never taken by
 * CUPTI's callbacks; `records` guards the sink against them. No call into CUPTI or the driver is made while `records` is
 * held, but for reading a buffer that CUPTI has given to us. */
static struct {
    pthread_mutex_t control;
    pthread_mutex_t records;
    _Atomic int state;
    _Atomic pid_t pid;
    struct inferscope_options options;
    struct cupti cupti;
    struct driver driver;
    char *candidates[MAX_CANDIDATES + 1];
    char ring_path[512];
    struct sink sink;
    int active; /* records may be written; guarded by `records` */
    int calls_on;
    struct drain *drain;
    int drain_waited; /* the caller has had its wait */
    int clock_registered;
    uint64_t on_ns, start_cost_ns;
    struct inferscope_outcome late; /* of a start that InitializeInjection made */
    int atfork;
} shim = {.control = PTHREAD_MUTEX_INITIALIZER, .records = PTHREAD_MUTEX_INITIALIZER};

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t monotonic(void) { return clock_ns(CLOCK_MONOTONIC); }

/* ---- CUPTI's callbacks -------------------------------------------------- */

static void buffer_request(uint8_t **buffer, size_t *size, size_t *max_records) {
    *max_records = 0;
    *buffer = buffers_take(size);
}

/* CUPTI's pointers do not change while its library is loaded, which is for ever. */
static void buffer_complete(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
    size_t lost = 0;
    if (valid > 0 && shim.cupti.ActivityGetNumDroppedRecords(context, stream, &lost) != ABI_SUCCESS) lost = 0;
    pthread_mutex_lock(&shim.records);
    if (shim.active && atomic_load(&shim.pid) == getpid()) {
        struct gpu_ring_header *header = shim.sink.ring.header;
        if (!buffers_is_discard(buffer)) convert_buffer(&shim.sink, &shim.cupti, buffer, valid);
        else if (valid > 0) ring_count(&header->discarded, 1);
        if (lost > 0) ring_count(&header->lost, lost);
    }
    pthread_mutex_unlock(&shim.records);
    buffers_give(buffer, size, valid);
}

/* ---- clocks, devices ---------------------------------------------------- */

/* Whether a timestamp comes from one of the system's clocks, which count nanoseconds. Another profiler may have left
 * CUPTI with a counter of its own. */
static int known_clock(uint64_t stamp) {
    static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        uint64_t now = clock_ns(ids[i]), distance = now > stamp ? now - stamp : stamp - now;
        if (stamp != 0 && distance < 1000000000u) return 1;
    }
    return 0;
}

/* Makes sure that CUPTI counts nanoseconds. Registering a clock for each capture corrupted its first records on some
 * versions, so that is done only where nothing else helps. */
static int prepare_clock(void) {
    const struct cupti *c = &shim.cupti;
    uint64_t stamp = 0;
    if (c->GetTimestamp(&stamp) == ABI_SUCCESS && known_clock(stamp)) return 0;
    if (c->ActivityRegisterTimestampCallback == NULL || shim.clock_registered) return -1;
    int error = c->ActivityRegisterTimestampCallback(monotonic);
    if (error != ABI_SUCCESS) return error;
    shim.clock_registered = 1;
    return c->GetTimestamp(&stamp) == ABI_SUCCESS && known_clock(stamp) ? 0 : -1;
}

static void write_record(const void *record) {
    pthread_mutex_lock(&shim.records);
    convert_put(&shim.sink, record);
    ring_publish(&shim.sink.ring);
    pthread_mutex_unlock(&shim.records);
}

/* The tightest of 100 brackets of one CUPTI timestamp between two monotonic ones. */
static int write_clock(void) {
    struct gpu_record_clock best = {.head = {GPU_RECORD_CLOCK, sizeof best, 0}, .error = UINT64_MAX};
    for (int i = 0; i < 100; i++) {
        uint64_t stamp = 0, before = monotonic();
        int error = shim.cupti.GetTimestamp(&stamp);
        if (error != ABI_SUCCESS) return error;
        uint64_t half = (monotonic() - before) / 2;
        if (half < best.error) best = (struct gpu_record_clock){best.head, before + half, stamp, half};
    }
    write_record(&best);
    return 0;
}

static void describe_devices(void) {
    const struct driver *d = &shim.driver;
    int count = 0;
    d->DeviceGetCount(&count);
    for (int i = 0; i < count && i < MAX_DEVICES; i++) {
        int device = 0, active = 0;
        unsigned flags = 0;
        if (d->DeviceGet(&device, i) != 0 || d->DevicePrimaryCtxGetState(device, &flags, &active) != 0 || !active) continue;
        struct gpu_record_device out = {.head = {GPU_RECORD_DEVICE, sizeof out, 0}, .index = (uint32_t)i};
        char name[128] = "";
        size_t bytes = 0;
        d->DeviceGetName(name, sizeof name, device);
        d->DeviceGetPCIBusId(out.pci, sizeof out.pci, device);
        if (d->DeviceTotalMem(&bytes, device) == 0) out.memory_bytes = bytes;
        pthread_mutex_lock(&shim.records);
        out.head.name = names_intern(&shim.sink.names, &shim.sink.ring, name);
        convert_put(&shim.sink, &out);
        ring_publish(&shim.sink.ring);
        pthread_mutex_unlock(&shim.records);
    }
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
/* Not ABI_KIND_SYNCHRONIZATION: its records repeat what those of the calls say. */
static const uint32_t call_kinds[] = {ABI_KIND_RUNTIME, ABI_KIND_DRIVER};
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int call_kinds_in_use(void) { return shim.options.correlation != INFERSCOPE_CORRELATION_NONE; }

static void disable(const uint32_t *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) shim.cupti.ActivityDisable(kinds[i]);
}

/* Opens the ring; records may be written from then on. control is held. */
static const char *open_ring(void) {
    pthread_mutex_lock(&shim.records);
    names_reset(&shim.sink.names);
    calls_forget_names(&shim.sink.calls);
    const char *why = ring_open(&shim.sink.ring, shim.ring_path);
    shim.active = why == NULL;
    pthread_mutex_unlock(&shim.records);
    return why;
}

/* What CUPTI delivers from here on is ignored. The ring stays mapped for the next capture while its file is there. */
static void close_ring(void) {
    pthread_mutex_lock(&shim.records);
    if (shim.active) {
        ring_publish(&shim.sink.ring);
        ring_state(&shim.sink.ring, GPU_RING_ENDED);
    }
    shim.active = 0;
    if (!ring_is_at(&shim.sink.ring, shim.ring_path)) ring_close(&shim.sink.ring);
    pthread_mutex_unlock(&shim.records);
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
    buffers_prepare(shim.options.buffer_bytes, shim.options.max_buffers);
    if ((error = c->ActivityRegisterCallbacks(buffer_request, buffer_complete)) != 0) return fail(outcome, "register callbacks", error);
    if ((error = prepare_clock()) != 0) return fail(outcome, "understand CUPTI's clock", error);
    c->SetThreadIdType(ABI_THREAD_ID_SYSTEM);
    uint8_t zeroed = 1;
    size_t size = sizeof zeroed;
    c->ActivitySetAttribute(ABI_ATTR_ZEROED_OUT_ACTIVITY_BUFFER, &size, &zeroed);
    calls_prepare(&shim.sink.calls, c);
    for (size_t i = 0; i < COUNT(device_kinds); i++) {
        if ((error = c->ActivityEnable(device_kinds[i])) != 0) {
            disable(device_kinds, i);
            return fail(outcome, "enable device activity", error);
        }
    }
    if (!call_kinds_in_use()) return 0;
    for (size_t i = 0; i < COUNT(call_kinds); i++) {
        if ((error = c->ActivityEnable(call_kinds[i])) != 0) {
            disable(call_kinds, i);
            disable(device_kinds, COUNT(device_kinds));
            return fail(outcome, "enable call activity", error);
        }
    }
    shim.calls_on = 1;
    if (shim.options.correlation == INFERSCOPE_CORRELATION_SELECTED) calls_silence_noise(&shim.sink.calls, c);
    return 0;
}

static void calls_off(void) {
    if (shim.calls_on) disable(call_kinds, COUNT(call_kinds));
    shim.calls_on = 0;
}

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
    if (error == 0 && (error = write_clock()) != 0) {
        error = fail(outcome, "read CUPTI's clock", error);
        calls_off();
        disable(device_kinds, COUNT(device_kinds));
    }
    if (error != 0) {
        close_ring();
        return error;
    }
    ring_state(&shim.sink.ring, GPU_RING_ON);
    shim.on_ns = monotonic();
    shim.start_cost_ns = shim.on_ns - began;
    atomic_store(&shim.state, ON);
    return 0;
}

/* The driver calls this from cuInit when the process was started or armed with CUDA_INJECTION64_PATH naming this
 * library: the late start of an armed capture. In every other process, a child of the profiled one too, it does nothing. */
EXPORTED int InitializeInjection(void);
int InitializeInjection(void) {
    if (atomic_load(&shim.state) != ARMED || atomic_load(&shim.pid) != getpid()) return 1;
    pthread_mutex_lock(&shim.control);
    int armed = ARMED;
    /* STARTING lets a CUPTI that initialises CUDA itself come by here again without waiting for us. */
    if (atomic_compare_exchange_strong(&shim.state, &armed, STARTING)) {
        memset(&shim.late, 0, sizeof shim.late);
        driver_find(&shim.driver);
        /* A failure leaves the capture armed; end reports it. */
        if (turn_on(&shim.late) != 0) atomic_store(&shim.state, ARMED);
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
    buffers_after_fork();
    memset(&shim.sink.ring, 0, sizeof shim.sink.ring);
    shim.active = shim.calls_on = 0;
    shim.drain = NULL;
    shim.sink.written = shim.on_ns = 0;
    memset(&shim.late, 0, sizeof shim.late);
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
    pthread_mutex_lock(&shim.records);
    outcome->records = shim.sink.written;
    pthread_mutex_unlock(&shim.records);
    outcome->on_ns = shim.on_ns;
    outcome->started = shim.on_ns != 0;
    outcome->start_cost_ns = shim.start_cost_ns;
    snprintf(outcome->library, sizeof outcome->library, "%s", shim.cupti.path);
}

/* A new capture knows nothing of the last one. control is held. */
static void forget_capture(void) {
    pthread_mutex_lock(&shim.records);
    shim.sink.written = 0;
    pthread_mutex_unlock(&shim.records);
    shim.on_ns = shim.start_cost_ns = 0;
    memset(&shim.late, 0, sizeof shim.late);
}

EXPORTED int inferscope_capture_begin(const char *ring_path, const char *const *candidates,
                                      const struct inferscope_options *options, struct inferscope_outcome *outcome) {
    if (outcome == NULL) return -1;
    memset(outcome, 0, sizeof *outcome);
    pthread_mutex_lock(&shim.control);
    int result = 0;
    if (ring_path == NULL || options == NULL || options->size != sizeof *options || strlen(ring_path) >= sizeof shim.ring_path) {
        snprintf(outcome->detail, sizeof outcome->detail, "the caller is of another version");
        result = fail(outcome, "begin", -1);
        goto out;
    }
    if (atomic_load(&shim.state) != IDLE) {
        snprintf(outcome->detail, sizeof outcome->detail, "a capture is already going on");
        result = fail(outcome, "begin", -1);
        goto out;
    }
    if (!shim.atfork) {
        pthread_atfork(NULL, NULL, in_child);
        shim.atfork = 1;
    }
    atomic_store(&shim.pid, getpid());
    shim.options = *options;
    shim.drain_waited = 0;
    set_candidates(candidates);
    forget_capture();
    snprintf(shim.ring_path, sizeof shim.ring_path, "%s", ring_path);
    if (driver_find(&shim.driver) && driver_initialised(&shim.driver)) result = turn_on(outcome);
    else atomic_store(&shim.state, ARMED);
out:
    fill(outcome);
    pthread_mutex_unlock(&shim.control);
    return result;
}

/* control is held. */
static int drain_for(uint32_t milliseconds) {
    calls_off();
    if (shim.drain == NULL && driver_find(&shim.driver)) shim.drain = drain_begin(&shim.driver);
    return shim.drain != NULL && drain_wait(shim.drain, milliseconds);
}

EXPORTED int inferscope_capture_drain(uint32_t milliseconds) {
    pthread_mutex_lock(&shim.control);
    int done = 1;
    if (atomic_load(&shim.state) == ON) {
        done = drain_for(milliseconds);
        shim.drain_waited = 1;
    }
    pthread_mutex_unlock(&shim.control);
    return done;
}

EXPORTED int inferscope_capture_end(struct inferscope_outcome *outcome) {
    if (outcome == NULL) return -1;
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
        uint32_t limit = shim.options.drain_ms != 0 ? shim.options.drain_ms : DEFAULT_DRAIN_MS;
        int idle = drain_for(shim.drain_waited ? 0 : limit);
        outcome->busy = !idle;
        if (shim.drain != NULL) outcome->devices = drain_end(shim.drain);
        shim.drain = NULL;
        if ((error = c->ActivityFlushAll(ABI_FLUSH_COMPLETED)) != 0) result = fail(outcome, "flush", error);
        if ((error = write_clock()) != 0) result = fail(outcome, "read CUPTI's clock", error);
        describe_devices();
        disable(device_kinds, COUNT(device_kinds));
        if ((error = c->ActivityFlushAll(ABI_FLUSH_FORCED)) != 0) result = fail(outcome, "flush", error);
        /* With kernels under way it would wait for them, however long. */
        if (idle && shim.options.finalize && c->Finalize != NULL && c->version >= ABI_VERSION_12_6) {
            if ((error = c->Finalize()) == 0) {
                outcome->finalized = 1;
                shim.clock_registered = 0;
            } else {
                result = fail(outcome, "finalize", error);
            }
        }
    }
    atomic_store(&shim.state, IDLE);
    close_ring();
    if (outcome->finalized) buffers_forget();
    buffers_trim();
    fill(outcome);
    forget_capture();
    outcome->stop_cost_ns = monotonic() - began;
    pthread_mutex_unlock(&shim.control);
    return result;
}

EXPORTED int inferscope_capture_state(void) {
    int state = atomic_load(&shim.state);
    return state == STARTING ? ARMED : state;
}

EXPORTED void inferscope_capture_release(void) {
    pthread_mutex_lock(&shim.control);
    if (atomic_load(&shim.state) == IDLE) {
        pthread_mutex_lock(&shim.records);
        ring_close(&shim.sink.ring);
        pthread_mutex_unlock(&shim.records);
    }
    pthread_mutex_unlock(&shim.control);
}
