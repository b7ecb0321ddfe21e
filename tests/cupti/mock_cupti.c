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

enum { MEMCPY = 1, MEMSET = 2, DRIVER = 4, RUNTIME = 5, KERNEL = 10, OVERHEAD = 17, PEER = 22, SYNC = 38, ALIEN = 47 };
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

static struct {
    uint8_t *bytes;
    size_t size;
    char path[512];
    uint64_t stamp;
    uint32_t strings, calls, records;
    char **text;
    const uint8_t *call, *record;
} recording;
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

static uint32_t u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t u64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put64(uint8_t *at, uint64_t value) { memcpy(at, &value, sizeof value); }

static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, sizeof value); }

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

/* Reads a recording as record.py describes it; it stays loaded, since names point into it. */
static int load(const char *path) {
    if (recording.bytes != NULL) return strcmp(path, recording.path) == 0 ? 0 : -1;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) return -1;
    recording.size = (size_t)ftell(file);
    rewind(file);
    recording.bytes = malloc(recording.size);
    size_t read = fread(recording.bytes, 1, recording.size, file);
    fclose(file);
    const uint8_t *at = recording.bytes;
    if (read != recording.size || memcmp(at, "CUPTIREC", 8) != 0 || u32(at + 8) != 1) return -1;
    recording.stamp = u64(at + 16);
    recording.strings = u32(at + 24);
    recording.text = calloc(recording.strings, sizeof *recording.text);
    at += 28;
    for (uint32_t i = 0; i < recording.strings; i++) {
        uint32_t length = u32(at);
        recording.text[i] = strndup((const char *)at + 4, length);
        at += 4 + length;
    }
    recording.calls = u32(at);
    recording.call = at + 4;
    at += 4 + (size_t)recording.calls * 12;
    recording.records = u32(at);
    recording.record = at + 4;
    snprintf(recording.path, sizeof recording.path, "%s", path);
    return 0;
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

/* For tests: does the recorded work count times, on this thread and from now on, as far as its records are switched on. It
 * returns when the last recorded call would have, with the time at which the device will be done (CLOCK_MONOTONIC), or
 * with 0 when the recording cannot be read. */
uint64_t mock_cupti_replay(const char *path, int count) {
    pthread_mutex_lock(&loading);
    int error = load(path);
    pthread_mutex_unlock(&loading);
    if (error != 0) return 0;
    uint64_t shift = now() - recording.stamp, last = 0, last_call = 0;
    uint32_t correlation = 0, most = 0;
    int operations = 0, various = setting("MOCK_CUPTI_NAMES"), every = setting("MOCK_CUPTI_ZERO"), alien = setting("MOCK_CUPTI_ALIEN") || setting("MOCK_CUPTI_BROKEN");
    for (int round = 0; round < count; round++) {
        const uint8_t *at = recording.record;
        uint64_t end_of_round = 0;
        for (uint32_t i = 0; i < recording.records; i++) {
            uint32_t size = u32(at), kind = u32(at + 4);
            if (alien && i == recording.records / 2) {
                uint8_t other[64] = {ALIEN};
                emit(other, layout(ALIEN));
            }
            uint8_t record[256];
            memset(record, 0xee, sizeof record);
            memcpy(record, at + 4, size);
            at += 4 + size;
            int time = start_offset(kind), is_call = kind == RUNTIME || kind == DRIVER;
            uint64_t start = u64(record + time) + shift, end = u64(record + time + 8) + shift;
            end_of_round = end > end_of_round ? end : end_of_round;
            put64(record + time, start);
            put64(record + time + 8, end);
            int link = is_call ? 32 : kind == KERNEL ? 92 : kind == MEMCPY ? 44 : kind == SYNC ? 24 : 0;
            if (link != 0) {
                uint32_t id = u32(record + link);
                most = id > most ? id : most;
                put32(record + link, id + correlation);
            }
            if (is_call) {
                last_call = end > last_call ? end : last_call;
                if (u32(record + 28) == u32(record + 24)) put32(record + 28, (uint32_t)gettid());
                put32(record + 24, (uint32_t)getpid());
            }
            if (kind == KERNEL) {
                uint64_t index = u64(record + 104);
                char *name = index > 0 ? recording.text[index - 1] : NULL;
                /* CUPTI's names live as long as the module that has the kernel: these for ever. */
                if (various && asprintf(&name, "kernel %d of round %d", (int)i, round) < 0) name = NULL;
                memcpy(record + 104, &name, sizeof name);
            }
            if (!is_call && kind != SYNC && kind != OVERHEAD && every > 0 && ++operations % every == 0) {
                put64(record + time, 0);
                put64(record + time + 8, 0);
            }
            uint32_t cbid = u32(record + 4);
            if (!atomic_load(&enabled[kind])) continue;
            if (is_call && atomic_load(&silent[kind == DRIVER][cbid % CBIDS])) continue;
            emit(record, layout(kind));
        }
        if (setting("MOCK_CUPTI_EXTRA")) emit_extra(end_of_round - 5000);
        last = end_of_round;
        shift += end_of_round - (recording.stamp + shift);
        correlation += most;
        most = 0;
    }
    uint64_t present = now();
    if (last_call > present) {
        struct timespec rest = {(time_t)((last_call - present) / 1000000000u), (long)((last_call - present) % 1000000000u)};
        nanosleep(&rest, NULL);
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
    for (uint32_t i = 0; error == 0 && i < recording.calls; i++) {
        const uint8_t *call = recording.call + (size_t)i * 12;
        if (u32(call) != (domain == 1 ? 1u : 2u) || u32(call + 4) != cbid) continue;
        *name = recording.text[u32(call + 8)];
        return 0;
    }
    return 1;
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
    return 0;
}
