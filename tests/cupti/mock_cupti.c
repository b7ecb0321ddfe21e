/* Stands for libcupti in tests without a GPU: delivers what was recorded on one (record.py), record by record, through
 * the functions that the shim uses and as CUPTI does: buffers are asked for on the thread that works, and delivered by a
 * thread of CUPTI's own.
 *
 * Environment, read at each use:
 *   MOCK_CUPTI_VERSION  what cuptiGetVersion says; 130001 is the recording's
 *   MOCK_CUPTI_LAYOUT   12.0, 12.9, 13.0 (as recorded), 13.5: the sizes of records; "short": kernels of 144 bytes
 *   MOCK_CUPTI_ENABLE   the error that cuptiActivityEnable gives
 *   MOCK_CUPTI_CLOCK    "zero", or "counter": a counter that another profiler left behind, until a clock is registered
 *   MOCK_CUPTI_ZERO     every Nth device operation has zero timestamps
 *   MOCK_CUPTI_ALIEN    1: among the others is a record of a kind that nobody here reads
 *   MOCK_CUPTI_BROKEN   1: the walk stops at that record
 *   MOCK_CUPTI_DROPPED  records that each buffer is said to have lost
 *   MOCK_CUPTI_EXTRA    1: a set of memory and a copy between devices, which the recordings do not have
 *   MOCK_CUPTI_NAMES    1: every kernel has a name of its own
 *   MOCK_CUPTI_DEVICES  the work is done by this many devices in turn, a replayed round each
 *   MOCK_CUPTI_FAST     everything happens so many times as fast
 *   MOCK_CUPTI_SUBSCRIBER  set: somebody else has subscribed
 *   MOCK_CUPTI_WORKERS  how many threads deliver buffers; 1, and at most 4
 *   MOCK_CUPTI_SLOW_MS  how long a flush takes besides */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mock_callbacks.h"
#include "mock_recording.h"

enum { KINDS = 64, CBIDS = 2048, SLOTS = 64, QUEUE = 4096 };

typedef void (*request_function)(uint8_t **, size_t *, size_t *);
typedef void (*complete_function)(void *, uint32_t, uint8_t *, size_t, size_t);

struct buffer {
    uint8_t *memory;
    size_t size, used;
};

/* What a thread writes to. */
static struct slot {
    pthread_mutex_t lock;
    struct buffer buffer;
} slots[SLOTS];
static _Atomic int next_slot;
static _Thread_local int own_slot;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buffer queue[QUEUE];
    int queued, delivering, workers, stop;
    pthread_t thread[4];
} delivery = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static _Atomic(request_function) request;
static _Atomic(complete_function) complete;
static _Atomic(uintptr_t) registered_clock;
static _Atomic int enabled[KINDS];
static _Atomic int silent[2][CBIDS];

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static int setting(const char *name) {
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : 0;
}

static int is_setting(const char *name, const char *value) {
    const char *text = getenv(name);
    return text != NULL && strcmp(text, value) == 0;
}

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now(void) {
    uint64_t (*clock)(void) = (uint64_t(*)(void))atomic_load(&registered_clock);
    if (clock != NULL) return clock();
    if (is_setting("MOCK_CUPTI_CLOCK", "zero")) return 0;
    if (is_setting("MOCK_CUPTI_CLOCK", "counter")) return clock_ns(CLOCK_MONOTONIC) * 3;
    return clock_ns(CLOCK_REALTIME);
}

/* The size of a record of each kind in the layout in use; 0 for kinds that do not exist here. */
static size_t layout(uint32_t kind) {
    int v12 = is_setting("MOCK_CUPTI_LAYOUT", "12.0") || is_setting("MOCK_CUPTI_LAYOUT", "12.9");
    int v135 = is_setting("MOCK_CUPTI_LAYOUT", "13.5");
    switch (kind) {
    case DRIVER:
    case RUNTIME: return 40;
    case KERNEL: if (is_setting("MOCK_CUPTI_LAYOUT", "short")) return 144;
        return is_setting("MOCK_CUPTI_LAYOUT", "12.0") ? 200 : v12 ? 208 : v135 ? 248 : 216;
    case MEMCPY: return v12 ? 88 : v135 ? 112 : 96;
    case PEER: return v12 ? 88 : v135 ? 112 : 96;
    case MEMSET: return v12 ? 88 : v135 ? 104 : 96;
    case SYNC: return v12 ? 40 : 56;
    case OVERHEAD: return v12 ? 40 : 56;
    case ALIEN: return 64;
    }
    return 0;
}

static int start_offset(uint32_t kind) {
    switch (kind) {
    case DRIVER:
    case RUNTIME:
    case SYNC: return 8;
    case OVERHEAD: return 24;
    }
    return 16;
}

/* ---- delivery ----------------------------------------------------------- */

static void *deliver(void *unused) {
    (void)unused;
    pthread_mutex_lock(&delivery.lock);
    for (;;) {
        while (delivery.queued == 0 && !delivery.stop) pthread_cond_wait(&delivery.changed, &delivery.lock);
        if (delivery.queued == 0) break;
        struct buffer buffer = delivery.queue[0];
        memmove(delivery.queue, delivery.queue + 1, (size_t)--delivery.queued * sizeof buffer);
        delivery.delivering++;
        pthread_mutex_unlock(&delivery.lock);
        complete_function to = atomic_load(&complete);
        if (to != NULL) to(NULL, 0, buffer.memory, buffer.size, buffer.used);
        pthread_mutex_lock(&delivery.lock);
        delivery.delivering--;
        pthread_cond_broadcast(&delivery.changed);
    }
    pthread_mutex_unlock(&delivery.lock);
    return NULL;
}

static void enqueue(struct buffer buffer) {
    pthread_mutex_lock(&delivery.lock);
    if (delivery.workers == 0) {
        int count = setting("MOCK_CUPTI_WORKERS");
        delivery.stop = 0;
        for (int i = 0; i < 4 && (i == 0 || i < count); i++)
            delivery.workers += pthread_create(&delivery.thread[i], NULL, deliver, NULL) == 0;
    }
    while (delivery.queued == QUEUE) pthread_cond_wait(&delivery.changed, &delivery.lock);
    delivery.queue[delivery.queued++] = buffer;
    pthread_cond_broadcast(&delivery.changed);
    pthread_mutex_unlock(&delivery.lock);
}

static struct slot *own(void) {
    if (own_slot == 0) own_slot = 1 + atomic_fetch_add(&next_slot, 1) % SLOTS;
    return &slots[own_slot - 1];
}

static void emit(const uint8_t *record, size_t size) {
    struct slot *slot = own();
    pthread_mutex_lock(&slot->lock);
    if (slot->buffer.memory != NULL && slot->buffer.used + size > slot->buffer.size) {
        enqueue(slot->buffer);
        slot->buffer.memory = NULL;
    }
    if (slot->buffer.memory == NULL) {
        size_t most = 0;
        slot->buffer.used = 0;
        request_function from = atomic_load(&request);
        if (from == NULL) {
            pthread_mutex_unlock(&slot->lock);
            return;
        }
        from(&slot->buffer.memory, &slot->buffer.size, &most);
    }
    memcpy(slot->buffer.memory + slot->buffer.used, record, size);
    slot->buffer.used += size;
    pthread_mutex_unlock(&slot->lock);
}

int cuptiActivityFlushAll(uint32_t flag) {
    (void)flag;
    struct timespec slow = {0, (long)setting("MOCK_CUPTI_SLOW_MS") * 1000000};
    nanosleep(&slow, NULL);
    for (int i = 0; i < SLOTS; i++) {
        pthread_mutex_lock(&slots[i].lock);
        if (slots[i].buffer.memory != NULL) enqueue(slots[i].buffer);
        slots[i].buffer.memory = NULL;
        pthread_mutex_unlock(&slots[i].lock);
    }
    pthread_mutex_lock(&delivery.lock);
    while (delivery.queued > 0 || delivery.delivering) pthread_cond_wait(&delivery.changed, &delivery.lock);
    pthread_mutex_unlock(&delivery.lock);
    return 0;
}

/* ---- the recording ------------------------------------------------------ */

__attribute__((constructor)) static void prepare(void) {
    for (int i = 0; i < SLOTS; i++) pthread_mutex_init(&slots[i].lock, NULL);
}

static void emit_extra(uint64_t start) {
    uint8_t set[104] = {0}, peer[112] = {0};
    put32(set, MEMSET);
    put32(set + 4, 7);
    put64(set + 8, 4096);
    put64(set + 16, start);
    put64(set + 24, start + 1000);
    put32(set + 40, 7);
    set[50] = 3;
    if (atomic_load(&enabled[MEMSET])) emit(set, layout(MEMSET));
    put32(peer, PEER);
    peer[4] = 10;
    peer[5] = peer[6] = 3;
    put64(peer + 8, 1 << 20);
    put64(peer + 16, start + 2000);
    put64(peer + 24, start + 3000);
    put32(peer + 40, 7);
    put32(peer + 44, 0);
    put32(peer + 52, 1);
    put32(peer + 60, 0);
    if (atomic_load(&enabled[PEER])) emit(peer, layout(PEER));
}

static uint64_t until(uint64_t stamp) {
    uint64_t present = now();
    for (; present != 0 && present < stamp; present = now()) {
        struct timespec rest = {(time_t)((stamp - present) / 1000000000u), (long)((stamp - present) % 1000000000u)};
        if (stamp - present > 200000) nanosleep(&rest, NULL);
    }
    return present;
}

static _Atomic uint32_t correlations; /* ids of calls given so far, since it was last taken out */
static _Atomic uint64_t numbered; /* kernels launched by a call of their own, so far in this process */

/* What one call of the recording needs to be made again. */
struct remake {
    const uint8_t *record; /* shifted in time, on this process */
    uint32_t correlation, device;
    uint64_t begun;
};

static void remake_call(void *argument) {
    struct remake *call = argument;
    int driver = u32(call->record) == DRIVER;
    uint32_t cbid = u32(call->record + 4);
    call->begun = fire_call(driver ? DRIVER_DOMAIN : RUNTIME_DOMAIN, cbid, call_name(driver, cbid), call->correlation, call->device, u64(call->record + 8),
              u64(call->record + 16), until);
    if (atomic_load(&enabled[u32(call->record)]) && !atomic_load(&silent[driver][cbid % CBIDS])) emit(call->record, layout(u32(call->record)));
}

/* For tests: does the recorded work count times, on this thread and at the recorded pace, as far as its records and callbacks
 * are switched on; what was recorded on other threads is done by one other. It returns when the last recorded call does, with
 * the time at which the device will be done (CLOCK_MONOTONIC), or with 0 when the recording cannot be read. */
uint64_t mock_cupti_replay(const char *path, int count) {
    pthread_mutex_lock(&loading);
    int error = load(path);
    if (error == 0 && recording.in_order == NULL) order();
    pthread_mutex_unlock(&loading);
    if (error != 0) return 0;
    uint64_t shift = now() - recording.stamp, last = 0;
    static _Atomic int rounds; /* of all replays */
    uint32_t most = 0;
    int operations = 0, various = setting("MOCK_CUPTI_NAMES"), every = setting("MOCK_CUPTI_ZERO"), alien = setting("MOCK_CUPTI_ALIEN") || setting("MOCK_CUPTI_BROKEN");
    uint64_t fast = setting("MOCK_CUPTI_FAST") > 0 ? (uint64_t)setting("MOCK_CUPTI_FAST") : 1;
    uint32_t devices = (uint32_t)setting("MOCK_CUPTI_DEVICES");
    for (uint32_t i = 0; i < recording.records; i++) {
        int link = link_offset(u32(recording.in_order[i]));
        if (link != 0 && u32(recording.in_order[i] + link) > most) most = u32(recording.in_order[i] + link);
    }
    for (int round = 0; round < count; round++) {
        uint64_t end_of_round = 0;
        int number = atomic_fetch_add(&rounds, 1);
        uint32_t correlation = atomic_fetch_add(&correlations, most);
        uint32_t device = devices > 0 ? (uint32_t)number % devices : 0;
        for (uint32_t i = 0; i < recording.records; i++) {
            const uint8_t *from = recording.in_order[i];
            uint32_t size = u32(from - 4), kind = u32(from);
            if (alien && i == recording.records / 2) {
                uint8_t other[64] = {ALIEN};
                emit(other, layout(ALIEN));
            }
            uint8_t record[256];
            memset(record, 0xee, sizeof record);
            memcpy(record, from, size);
            int time = start_offset(kind), link = link_offset(kind);
            uint64_t start = recording.stamp + (u64(record + time) - recording.stamp) / fast + shift;
            uint64_t end = start + (u64(record + time + 8) - u64(record + time)) / fast;
            end_of_round = end > end_of_round ? end : end_of_round;
            put64(record + time, start);
            put64(record + time + 8, end);
            if (link != 0) put32(record + link, u32(record + link) + correlation);
            if (is_call(record)) {
                /* The main thread's id is that of its process. */
                int foreign = u32(record + 28) != u32(record + 24);
                put32(record + 24, (uint32_t)getpid());
                if (!foreign) put32(record + 28, (uint32_t)gettid());
                struct remake call = {record, u32(record + 32), device, 0};
                struct errand errand = {remake_call, &call};
                if (foreign) send_helper(&errand);
                else remake_call(&call);
                /* A thread that was kept waiting does all that follows later. */
                if (call.begun > start) shift += call.begun - start;
                continue;
            }
            if (kind == KERNEL) {
                uint64_t index = u64(record + 104);
                char *name = index > 0 ? recording.text[index - 1] : NULL;
                /* CUPTI's names live as long as the module that has the kernel: these for ever. */
                if (various && asprintf(&name, "kernel %d of round %d", (int)i, number) < 0) name = NULL;
                memcpy(record + 104, &name, sizeof name);
                if (device > 0) put32(record + 40, device);
                if (u64(record + 144) == 0) put64(record + 96, 1 + atomic_fetch_add(&numbered, 1));
            }
            if (kind != SYNC && kind != OVERHEAD && every > 0 && ++operations % every == 0) {
                put64(record + time, 0);
                put64(record + time + 8, 0);
            }
            if (atomic_load(&enabled[kind])) emit(record, layout(kind));
        }
        if (setting("MOCK_CUPTI_EXTRA")) emit_extra(end_of_round - 5000);
        last = end_of_round;
        shift += end_of_round - (recording.stamp + shift);
    }
    return last - now() + clock_ns(CLOCK_MONOTONIC);
}

/* ---- the rest of CUPTI -------------------------------------------------- */

int cuptiGetVersion(uint32_t *version) {
    int set = setting("MOCK_CUPTI_VERSION");
    *version = set != 0 ? (uint32_t)set : 130001;
    return 0;
}

int cuptiActivityRegisterCallbacks(request_function from, complete_function to) {
    atomic_store(&request, from);
    atomic_store(&complete, to);
    return 0;
}

int cuptiActivityRegisterTimestampCallback(uint64_t (*clock)(void)) {
    atomic_store(&registered_clock, (uintptr_t)clock);
    return 0;
}

int cuptiActivityEnable(uint32_t kind) {
    int error = setting("MOCK_CUPTI_ENABLE");
    if (error != 0) return error;
    if (kind >= KINDS || layout(kind) == 0) return 21;
    atomic_store(&enabled[kind], 1);
    return 0;
}

int cuptiActivityDisable(uint32_t kind) {
    if (kind < KINDS) atomic_store(&enabled[kind], 0);
    return 0;
}

static int switch_call(int driver, uint32_t cbid, uint8_t on) {
    if (cbid >= CBIDS) return 1;
    /* As on 13.0: it takes records away from an enabled kind, and gives none without it. */
    atomic_store(&silent[driver][cbid], !on);
    return 0;
}

int cuptiActivityEnableRuntimeApi(uint32_t cbid, uint8_t on) { return switch_call(0, cbid, on); }

int cuptiActivityEnableDriverApi(uint32_t cbid, uint8_t on) { return switch_call(1, cbid, on); }

int cuptiActivityGetNextRecord(uint8_t *buffer, size_t valid, uint8_t **record) {
    uint8_t *next = *record == NULL ? buffer : *record + layout(u32(*record));
    if (next >= buffer + valid) return 12;
    if (u32(next) == ALIEN && setting("MOCK_CUPTI_BROKEN")) return 21;
    *record = next;
    return 0;
}

int cuptiActivityGetNumDroppedRecords(void *context, uint32_t stream, size_t *dropped) {
    (void)context;
    (void)stream;
    *dropped = (size_t)setting("MOCK_CUPTI_DROPPED");
    return 0;
}

int cuptiActivitySetAttribute(uint32_t attribute, size_t *size, void *value) {
    (void)attribute;
    (void)size;
    (void)value;
    return 0;
}

int cuptiSetThreadIdType(uint32_t type) { return type == 1 ? 0 : 1; }

int cuptiGetTimestamp(uint64_t *stamp) {
    *stamp = now();
    return 0;
}

/* Of the recorded calls only; a file must have been loaded, or be named by MOCK_CUPTI_RECORDING. */
int cuptiGetCallbackName(uint32_t domain, uint32_t cbid, const char **name) {
    const char *path = getenv("MOCK_CUPTI_RECORDING");
    pthread_mutex_lock(&loading);
    int error = path != NULL ? load(path) : recording.bytes == NULL;
    pthread_mutex_unlock(&loading);
    *name = error == 0 ? call_name(domain == DRIVER_DOMAIN, cbid) : NULL;
    return *name == NULL;
}

int cuptiGetResultString(int result, const char **text) {
    *text = result == 39 ? "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED" : "CUPTI_ERROR_UNKNOWN";
    return 0;
}

int cuptiFinalize(void) {
    cuptiActivityFlushAll(1);
    pthread_mutex_lock(&delivery.lock);
    int workers = delivery.workers;
    pthread_t thread[4];
    memcpy(thread, delivery.thread, sizeof thread);
    delivery.stop = 1;
    delivery.workers = 0;
    pthread_cond_broadcast(&delivery.changed);
    pthread_mutex_unlock(&delivery.lock);
    for (int i = 0; i < workers; i++) pthread_join(thread[i], NULL);
    atomic_store(&request, NULL);
    atomic_store(&complete, NULL);
    atomic_store(&registered_clock, 0);
    for (int i = 0; i < KINDS; i++) atomic_store(&enabled[i], 0);
    for (int i = 0; i < 2 * CBIDS; i++) atomic_store(&silent[i / CBIDS][i % CBIDS], 0);
    forget_callbacks();
    atomic_store(&correlations, 0);
    return 0;
}
