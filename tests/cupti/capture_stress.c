/* The shim against everything at once, for the sanitizers: threads that launch, threads that flush, a consumer that reads
 * the ring, forks, and two threads that end the same capture. Linked with the shim's sources.
 *
 *     capture_stress LIBCUDA LIBCUPTI RECORDING RING */
#define _GNU_SOURCE
#include "capture.h"
#include "gpu_ring.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "capture_stress.c:%d: not true: %s\n", __LINE__, #condition); \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

enum { CAPACITY = 1 << 20, CYCLES = 6, LAUNCHERS = 4, ROUNDS = 5 };

static uint64_t (*replay)(const char *, int);
static int (*flush)(uint32_t);
static int (*cuda_init)(unsigned);
static const char *recording;
static _Atomic int stop;

static struct reader {
    struct gpu_ring_header *header;
    uint8_t *data;
    uint64_t kinds[16], tail;
    int corrupt;
} reader;

static void find(void *library, const char *name, void *slot) {
    void *symbol = library != NULL ? dlsym(library, name) : NULL;
    CHECK(symbol != NULL);
    memcpy(slot, &symbol, sizeof symbol);
}

static void reset_ring(void) {
    memset(reader.header, 0, sizeof *reader.header);
    reader.header->magic = GPU_RING_MAGIC;
    reader.header->version = GPU_RING_VERSION;
    reader.header->header_bytes = GPU_RING_HEADER_BYTES;
    reader.header->capacity = CAPACITY;
    reader.tail = 0;
    memset(reader.kinds, 0, sizeof reader.kinds);
}

static void make_ring(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, GPU_RING_HEADER_BYTES + CAPACITY) == 0);
    void *map = mmap(NULL, GPU_RING_HEADER_BYTES + CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    close(fd);
    reader.header = map;
    reader.data = (uint8_t *)map + GPU_RING_HEADER_BYTES;
    reset_ring();
}

static void drain(void) {
    uint64_t head = atomic_load_explicit((_Atomic uint64_t *)&reader.header->head, memory_order_acquire);
    while (reader.tail < head) {
        struct gpu_record record;
        memcpy(&record, reader.data + (reader.tail & (CAPACITY - 1)), sizeof record);
        if (record.size < 8 || record.size % 8 != 0 || record.type > GPU_RECORD_WINDOW) {
            reader.corrupt = 1;
            return;
        }
        reader.kinds[record.type]++;
        reader.tail += record.size;
    }
    atomic_store_explicit((_Atomic uint64_t *)&reader.header->tail, reader.tail, memory_order_release);
}

static void *consume(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        drain();
        usleep(200);
    }
    return NULL;
}

static void *launch(void *unused) {
    (void)unused;
    CHECK(replay(recording, ROUNDS) != 0);
    return NULL;
}

static void *flush_now(void *unused) {
    (void)unused;
    for (int i = 0; i < 20 && !atomic_load(&stop); i++) {
        flush(0);
        usleep(300);
    }
    return NULL;
}

static void *end(void *result) {
    struct inferscope_outcome *outcome = result;
    CHECK(inferscope_capture_end(outcome) == 0);
    return NULL;
}

static void fork_child(void) {
    pid_t child = fork();
    if (child == 0) {
        struct inferscope_outcome outcome;
        int inert = inferscope_capture_state() == 0 && inferscope_capture_end(&outcome) == 0 && !outcome.started;
        _exit(inert ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* One capture; returns how many kernels, copies and calls were delivered, counting those that did not fit. */
static uint64_t cycle(const char *ring, const char *cupti, int kernels) {
    const char *const candidates[] = {cupti, NULL};
    struct inferscope_options options = {.size = sizeof options, .finalize = 1, .buffer_bytes = 1 << 16, .max_buffers = 256, .devices_fd = -1};
    struct inferscope_outcome outcome, other;
    CHECK(inferscope_capture_begin(ring, candidates, &options, &outcome) == 0);
    CHECK(inferscope_capture_state() == 2);
    CHECK(inferscope_capture_begin(ring, candidates, &options, &other) == -1);
    atomic_store(&stop, 0);
    pthread_t launchers[LAUNCHERS], flushers[2], consumer, enders[2];
    CHECK(pthread_create(&consumer, NULL, consume, NULL) == 0);
    for (int i = 0; i < LAUNCHERS; i++) CHECK(pthread_create(&launchers[i], NULL, launch, NULL) == 0);
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&flushers[i], NULL, flush_now, NULL) == 0);
    fork_child();
    fork_child();
    for (int i = 0; i < LAUNCHERS; i++) pthread_join(launchers[i], NULL);
    /* The flushing threads and both ends run into each other. */
    pthread_create(&enders[0], NULL, end, &outcome);
    pthread_create(&enders[1], NULL, end, &other);
    pthread_join(enders[0], NULL);
    pthread_join(enders[1], NULL);
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) pthread_join(flushers[i], NULL);
    pthread_join(consumer, NULL);
    drain();
    CHECK(!reader.corrupt);
    CHECK(outcome.started + other.started == 1);
    CHECK(outcome.finalized + other.finalized == 1);
    CHECK(reader.header->state == GPU_RING_ENDED && reader.header->invalid == 0);
    uint64_t written = 0;
    for (int type = GPU_RECORD_CLOCK; type <= GPU_RECORD_WINDOW; type++) written += reader.kinds[type];
    CHECK(written == outcome.records + other.records);
    if (reader.header->dropped == 0 && reader.header->discarded == 0)
        CHECK(reader.kinds[GPU_RECORD_KERNEL] == (uint64_t)kernels * ROUNDS * LAUNCHERS);
    return written + reader.header->dropped;
}

typedef int (*pending_function)(void *);
static _Atomic(pending_function) pending;

static int run_soon(pending_function function, void *argument) {
    (void)argument;
    atomic_store(&pending, function);
    return 0;
}

static void *launch_governed(void *unused) {
    (void)unused;
    for (int i = 0; i < 300; i++) {
        CHECK(replay(recording, 1) != 0);
        pending_function now = atomic_exchange(&pending, NULL);
        if (now != NULL) CHECK(now(NULL) == 0);
        /* Others may look at any time. */
        (void)inferscope_capture_worked();
    }
    return NULL;
}

/* A capture that the governor cuts as often as it can, with a fork in the middle. */
static void cycle_governed(const char *ring, const char *cupti) {
    const char *const candidates[] = {cupti, NULL};
    struct inferscope_options options = {.size = sizeof options, .finalize = 1, .budget_ppm = 1000, .devices_fd = -1, .run_soon = run_soon};
    struct inferscope_outcome outcome;
    CHECK(inferscope_capture_begin(ring, candidates, &options, &outcome) == 0);
    atomic_store(&stop, 0);
    pthread_t launcher, consumer;
    CHECK(pthread_create(&consumer, NULL, consume, NULL) == 0);
    CHECK(pthread_create(&launcher, NULL, launch_governed, NULL) == 0);
    fork_child();
    pthread_join(launcher, NULL);
    CHECK(inferscope_capture_end(&outcome) == 0);
    pending_function late = atomic_exchange(&pending, NULL);
    if (late != NULL) CHECK(late(NULL) == 0); /* of a capture that is over */
    atomic_store(&stop, 1);
    pthread_join(consumer, NULL);
    drain();
    CHECK(!reader.corrupt && outcome.finalized && outcome.windows >= 1 && outcome.worked == 1);
    CHECK(reader.kinds[GPU_RECORD_WINDOW] == outcome.windows || reader.header->dropped > 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 6);
    void *cuda = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL), *cupti = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    find(cuda, "cuInit", &cuda_init);
    find(cupti, "mock_cupti_replay", &replay);
    find(cupti, "cuptiActivityFlushAll", &flush);
    recording = argv[3];
    make_ring(argv[4]);
    CHECK(cuda_init(0) == 0);
    for (int i = 0; i < CYCLES; i++) {
        CHECK(cycle(argv[4], argv[2], atoi(argv[5])) > 0);
        if (i % 2 == 1) inferscope_capture_release();
        reset_ring();
    }
    cycle_governed(argv[4], argv[2]);
    return 0;
}
