#define _GNU_SOURCE
#include "recorder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buffers.h"
#include "calllog.h"
#include "clock.h"
#include "convert.h"

#define MAX_DEVICES 64
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* `records` guards the sink. No call into CUPTI or the driver is made while it is held, but for reading a buffer that CUPTI
 * has given to us. */
static struct {
    pthread_mutex_t records;
    struct cupti cupti;
    struct sink sink;
    int active; /* records may be written; guarded by `records` */
    _Atomic pid_t pid;
    int devices_fd;
    int log_on, kinds_on;
    int64_t offset; /* CUPTI's clock minus CLOCK_MONOTONIC at the first CLOCK record */
    int has_offset;
    uint64_t lost;     /* what CUPTI says that it dropped since it was switched on; guarded by `records` */
    int was_finalized; /* once in this process */
    _Atomic uint64_t touched; /* devices that the log told of */
    _Atomic int told;         /* of a second one */
} rec = {.records = PTHREAD_MUTEX_INITIALIZER, .devices_fd = -1};

static const uint32_t device_kinds[] = {ABI_KIND_CONCURRENT_KERNEL, ABI_KIND_MEMCPY, ABI_KIND_MEMSET, ABI_KIND_MEMCPY2,
                                        ABI_KIND_OVERHEAD};
/* Not ABI_KIND_SYNCHRONIZATION: its records repeat what those of the calls say. */
static const uint32_t call_kinds[] = {ABI_KIND_RUNTIME, ABI_KIND_DRIVER};

/* ---- on CUPTI's threads and on those of the application ------------------ */

/* Tells once that a second device works. An eventfd does not block before 2^64 - 1. */
static void tell_devices(uint64_t worked) {
    if ((worked & (worked - 1)) == 0 || rec.devices_fd < 0 || atomic_exchange(&rec.told, 1)) return;
    uint64_t one = 1;
    if (write(rec.devices_fd, &one, sizeof one) < 0) atomic_store(&rec.told, 0);
}

static void touched(uint32_t device) {
    if (device < 64) tell_devices(atomic_fetch_or(&rec.touched, (uint64_t)1 << device) | (uint64_t)1 << device);
}

static void drain_log(void) {
    if (rec.active && rec.has_offset) calllog_drain(&rec.sink, rec.offset);
}

static void flush_log(void) {
    if (pthread_mutex_trylock(&rec.records) != 0) return;
    drain_log();
    if (rec.active) ring_publish(&rec.sink.ring);
    pthread_mutex_unlock(&rec.records);
}

static const struct calllog_events log_events = {flush_log, touched};

static void buffer_request(uint8_t **buffer, size_t *size, size_t *max_records) {
    *max_records = 0;
    *buffer = buffers_take(size);
}

/* CUPTI's pointers do not change while its library is loaded, which is for ever. */
static void buffer_complete(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
    size_t lost = 0;
    uint64_t worked = 0;
    if (valid > 0 && rec.cupti.ActivityGetNumDroppedRecords(context, stream, &lost) != ABI_SUCCESS) lost = 0;
    pthread_mutex_lock(&rec.records);
    if (rec.active && atomic_load(&rec.pid) == getpid()) {
        struct gpu_ring_header *header = rec.sink.ring.header;
        drain_log();
        if (!buffers_is_discard(buffer)) convert_buffer(&rec.sink, &rec.cupti, buffer, valid);
        else if (valid > 0) ring_count(&header->discarded, 1);
        rec.lost += lost;
        worked = rec.sink.devices;
    }
    pthread_mutex_unlock(&rec.records);
    buffers_give(buffer, size, valid);
    tell_devices(worked | atomic_load(&rec.touched));
}

/* ---- the ring ------------------------------------------------------------ */

const struct cupti *recorder_cupti(const char *const *candidates, const char **why) {
    *why = cupti_find(&rec.cupti, candidates);
    return *why == NULL ? &rec.cupti : NULL;
}

const struct cupti *recorder_found(void) { return &rec.cupti; }

const char *recorder_open(const char *ring_path, int devices_fd) {
    atomic_store(&rec.pid, getpid());
    pthread_mutex_lock(&rec.records);
    rec.devices_fd = devices_fd;
    names_reset(&rec.sink.names);
    calls_forget_names(&rec.sink.calls);
    const char *why = ring_open(&rec.sink.ring, ring_path);
    rec.active = why == NULL;
    pthread_mutex_unlock(&rec.records);
    return why;
}

void recorder_put_earlier(uint64_t ns) {
    pthread_mutex_lock(&rec.records);
    if (rec.active) rec.sink.ring.header->earlier_ns = ns;
    pthread_mutex_unlock(&rec.records);
}

void recorder_close(const char *ring_path) {
    pthread_mutex_lock(&rec.records);
    if (rec.active) {
        drain_log();
        ring_publish(&rec.sink.ring);
        ring_state(&rec.sink.ring, GPU_RING_ENDED);
    }
    rec.active = 0;
    rec.devices_fd = -1;
    if (!ring_is_at(&rec.sink.ring, ring_path)) ring_close(&rec.sink.ring);
    pthread_mutex_unlock(&rec.records);
}

void recorder_release(void) {
    pthread_mutex_lock(&rec.records);
    if (!rec.active) ring_close(&rec.sink.ring);
    pthread_mutex_unlock(&rec.records);
}

void recorder_put(const void *record) {
    pthread_mutex_lock(&rec.records);
    if (rec.active) {
        convert_put(&rec.sink, record);
        ring_publish(&rec.sink.ring);
    }
    pthread_mutex_unlock(&rec.records);
}

int recorder_put_clock(void) {
    struct gpu_record_clock best;
    int error = clock_bracket(&rec.cupti, &best);
    if (error != 0) return error;
    if (!rec.has_offset) rec.offset = (int64_t)(best.cupti - best.monotonic);
    recorder_put(&best);
    rec.has_offset = 1;
    return 0;
}

uint64_t recorder_time(uint64_t monotonic) { return monotonic + (uint64_t)rec.offset; }

void recorder_put_devices(const struct driver *d) {
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
        pthread_mutex_lock(&rec.records);
        if (rec.active) {
            out.head.name = names_intern(&rec.sink.names, &rec.sink.ring, name);
            convert_put(&rec.sink, &out);
            ring_publish(&rec.sink.ring);
        }
        pthread_mutex_unlock(&rec.records);
    }
}

struct recorder_totals recorder_totals(void) {
    pthread_mutex_lock(&rec.records);
    const struct numbering *n = &rec.sink.numbers;
    struct recorder_totals totals = {.written = rec.sink.written, .worked = rec.sink.devices | atomic_load(&rec.touched),
                                     .first_kernel = n->mixed ? 0 : n->first, .last_kernel = n->mixed ? 0 : n->last};
    pthread_mutex_unlock(&rec.records);
    return totals;
}

void recorder_forget(void) {
    pthread_mutex_lock(&rec.records);
    rec.sink.written = rec.sink.devices = rec.sink.base = rec.sink.most = 0;
    memset(&rec.sink.numbers, 0, sizeof rec.sink.numbers);
    pthread_mutex_unlock(&rec.records);
    atomic_store(&rec.touched, 0);
    atomic_store(&rec.told, 0);
    rec.has_offset = 0;
}

/* ---- on and off ---------------------------------------------------------- */

int recorder_fail(struct inferscope_outcome *outcome, const char *step, int error) {
    if (outcome->step[0] == 0) {
        const char *text = NULL;
        snprintf(outcome->step, sizeof outcome->step, "%s", step);
        outcome->cupti_error = error;
        if (error > 0 && rec.cupti.GetResultString != NULL && rec.cupti.GetResultString(error, &text) == 0 && text)
            snprintf(outcome->detail, sizeof outcome->detail, "%s", text);
    }
    return error != 0 ? error : -1;
}

static void disable(const uint32_t *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) rec.cupti.ActivityDisable(kinds[i]);
}

static int enable(const uint32_t *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int error = rec.cupti.ActivityEnable(kinds[i]);
        if (error == 0) continue;
        disable(kinds, i);
        return error;
    }
    return 0;
}

/* By callbacks, if nobody else has subscribed. */
static int calls_on(const struct inferscope_options *options) {
    if (options->correlation == INFERSCOPE_CORRELATION_NONE) return 0;
    if (options->correlation == INFERSCOPE_CORRELATION_CALLBACKS && calllog_on(&rec.cupti, &rec.sink.calls, &log_events) == 0) {
        rec.log_on = 1;
        return 0;
    }
    int error = enable(call_kinds, COUNT(call_kinds));
    if (error != 0) return error;
    rec.kinds_on = 1;
    calls_silence_noise(&rec.sink.calls, &rec.cupti);
    return 0;
}

void recorder_calls_off(void) {
    calllog_pause();
    if (rec.kinds_on) disable(call_kinds, COUNT(call_kinds));
    rec.kinds_on = 0;
}

void recorder_calls_again(void) {
    if (rec.log_on) calllog_resume();
}

int recorder_on(const struct inferscope_options *options, struct inferscope_outcome *outcome) {
    const struct cupti *c = &rec.cupti;
    int error;
    buffers_prepare(options->buffer_bytes, options->max_buffers);
    if ((error = c->ActivityRegisterCallbacks(buffer_request, buffer_complete)) != 0)
        return recorder_fail(outcome, "register callbacks", error);
    if ((error = clock_prepare(c)) != 0) return recorder_fail(outcome, "understand CUPTI's clock", error);
    c->SetThreadIdType(ABI_THREAD_ID_SYSTEM);
    uint8_t zeroed = 1;
    size_t size = sizeof zeroed;
    c->ActivitySetAttribute(ABI_ATTR_ZEROED_OUT_ACTIVITY_BUFFER, &size, &zeroed);
    calls_prepare(&rec.sink.calls, c);
    pthread_mutex_lock(&rec.records);
    memset(&rec.sink.numbers, 0, sizeof rec.sink.numbers);
    convert_anew(&rec.sink);
    pthread_mutex_unlock(&rec.records);
    if ((error = enable(device_kinds, COUNT(device_kinds))) != 0) return recorder_fail(outcome, "enable device activity", error);
    int first = !rec.has_offset;
    if ((error = recorder_put_clock()) != 0) error = recorder_fail(outcome, "read CUPTI's clock", error);
    else if ((error = calls_on(options)) != 0) error = recorder_fail(outcome, "enable call activity", error);
    if (error != 0) {
        disable(device_kinds, COUNT(device_kinds));
        return error;
    }
    if (first) ring_state(&rec.sink.ring, GPU_RING_ON);
    return 0;
}

int recorder_flush(int forced) {
    int error = rec.cupti.ActivityFlushAll(forced ? ABI_FLUSH_FORCED : ABI_FLUSH_COMPLETED);
    pthread_mutex_lock(&rec.records);
    drain_log();
    if (rec.active) ring_publish(&rec.sink.ring);
    pthread_mutex_unlock(&rec.records);
    return error;
}

int recorder_can_finalize(void) { return rec.cupti.Finalize != NULL && rec.cupti.version >= ABI_VERSION_12_6; }

int recorder_uses_callbacks(void) { return rec.log_on; }

/* After the first cuptiFinalize of a process CUPTI 13.0 says at every later switching off that it dropped one record, while
 * nothing is missing: on an H100 the numbers of the kernels on both sides of eight windows fitted without a gap, and twenty
 * captures had all of their kernels and calls. */
static void count_lost(void) {
    pthread_mutex_lock(&rec.records);
    if (rec.active && rec.lost > 0 && !(rec.was_finalized && rec.lost == 1)) ring_count(&rec.sink.ring.header->lost, rec.lost);
    rec.lost = 0;
    pthread_mutex_unlock(&rec.records);
}

int recorder_off(int finalize, struct inferscope_outcome *outcome) {
    int result = 0, error;
    outcome->finalized = 0;
    recorder_calls_off();
    if (rec.log_on) calllog_off(&rec.cupti);
    rec.log_on = 0;
    disable(device_kinds, COUNT(device_kinds));
    if ((error = recorder_flush(1)) != 0) result = recorder_fail(outcome, "flush", error);
    if (!finalize || !recorder_can_finalize()) {
        count_lost();
        return result;
    }
    error = rec.cupti.Finalize();
    count_lost();
    if (error != 0) return recorder_fail(outcome, "finalize", error);
    outcome->finalized = rec.was_finalized = 1;
    clock_forget();
    buffers_forget();
    return result;
}

void recorder_after_fork(void) {
    calllog_after_fork();
    pthread_mutex_init(&rec.records, NULL);
    buffers_after_fork();
    memset(&rec.sink.ring, 0, sizeof rec.sink.ring);
    rec.active = rec.log_on = rec.kinds_on = rec.has_offset = 0;
    rec.devices_fd = -1;
    rec.sink.written = 0;
}
