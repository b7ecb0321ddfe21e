/* Ways to capture GPU work through CUPTI, switched one at a time, to compare what each costs. Not the shim: it keeps
 * counts alone, so that a difference between two ways is CUPTI's and not ours. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cupti_abi.h"

typedef int (*fn)();
static fn Enable, Disable, Register, FlushAll, Next, Finalize, SetAttr, ThreadId, EnableRuntime, EnableDriver, Latency, Name,
    Subscribe, Unsubscribe, Callback;

struct way {
    int32_t device, runtime, driver, callback, latency, overhead, shared_buffer, buffer_bytes, finalize;
};

static atomic_long kernels, calls, others, bytes;
static atomic_ulong first, last;
static size_t buffer_bytes = 4 << 20;

static void request(uint8_t **buffer, size_t *size, size_t *max) {
    *size = buffer_bytes;
    *max = 0;
    *buffer = calloc(1, buffer_bytes);
}

static void complete(void *context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
    (void)context, (void)stream, (void)size;
    struct abi_record *record = NULL;
    bytes += (long)valid;
    while (valid > 0 && Next(buffer, valid, &record) == 0) {
        if (record->kind == ABI_KIND_CONCURRENT_KERNEL || record->kind == ABI_KIND_KERNEL) kernels++;
        else if (record->kind == ABI_KIND_RUNTIME || record->kind == ABI_KIND_DRIVER) calls++;
        else others++;
    }
    free(buffer);
}

/* The prefix of CUpti_CallbackData. */
struct callback_data {
    int32_t site;
    const char *function;
    const void *parameters;
    void *returned;
    const char *symbol;
    void *context;
    uint32_t context_uid;
    uint64_t *correlation_data;
    uint32_t correlation;
};

static struct seen {
    uint64_t at;
    uint32_t correlation, site;
} *seen;
static atomic_ulong seen_count;
#define SEEN (1u << 20)

static void called(void *user, int32_t domain, uint32_t cbid, const struct callback_data *data) {
    (void)user, (void)domain, (void)cbid;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    unsigned long at = atomic_fetch_add_explicit(&seen_count, 1, memory_order_relaxed);
    seen[at % SEEN] = (struct seen){(uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec, data->correlation, (uint32_t)data->site};
}

static void *subscriber;
static uint8_t noise[2][1024], is_launch[2][1024];

int kinds_open(const char *path) {
    void *lib = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (lib == NULL) return -1;
    static const char *const names[] = {
        "cuptiActivityEnable", "cuptiActivityDisable", "cuptiActivityRegisterCallbacks", "cuptiActivityFlushAll",
        "cuptiActivityGetNextRecord", "cuptiFinalize", "cuptiActivitySetAttribute", "cuptiSetThreadIdType",
        "cuptiActivityEnableRuntimeApi", "cuptiActivityEnableDriverApi", "cuptiActivityEnableLatencyTimestamps",
        "cuptiGetCallbackName", "cuptiSubscribe", "cuptiUnsubscribe", "cuptiEnableCallback"};
    fn *const to[] = {&Enable, &Disable, &Register, &FlushAll, &Next, &Finalize, &SetAttr, &ThreadId, &EnableRuntime,
                      &EnableDriver, &Latency, &Name, &Subscribe, &Unsubscribe, &Callback};
    for (size_t i = 0; i < sizeof to / sizeof to[0]; i++)
        if ((*to[i] = (fn)dlsym(lib, names[i])) == NULL) return -2;
    static const char *const wanted[] = {"Launch", "Memcpy", "Memset", "Malloc", "MemAlloc", "Free", "Synchronize", "HostAlloc"};
    for (int d = 0; d < 2; d++)
        for (uint32_t cbid = 1; cbid < 1024; cbid++) {
            const char *name = NULL;
            if (Name(d ? ABI_DOMAIN_DRIVER : ABI_DOMAIN_RUNTIME, cbid, &name) != 0 || name == NULL) continue;
            noise[d][cbid] = 1;
            for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++)
                if (strstr(name, wanted[w]) != NULL && strstr(name, "Attribute") == NULL) noise[d][cbid] = 0;
            is_launch[d][cbid] = strstr(name, "Launch") != NULL;
        }
    seen = calloc(SEEN, sizeof *seen);
    return 0;
}

static int enable(const struct way *way) {
    int error = 0;
    if (way->callback) {
        int d = way->callback - 1;
        if ((error = Subscribe(&subscriber, called, NULL)) != 0) return error;
        for (uint32_t cbid = 1; cbid < 1024; cbid++)
            if (is_launch[d][cbid]) Callback(1, subscriber, d ? ABI_DOMAIN_DRIVER : ABI_DOMAIN_RUNTIME, cbid);
    }
    if (way->device) {
        static const uint32_t kinds[] = {ABI_KIND_CONCURRENT_KERNEL, ABI_KIND_MEMCPY, ABI_KIND_MEMSET};
        for (size_t i = 0; i < 3; i++) error |= Enable(kinds[i]);
    }
    if (way->overhead) error |= Enable(ABI_KIND_OVERHEAD);
    for (int d = 0; d < 2; d++) {
        int use = d ? way->driver : way->runtime;
        if (!use) continue;
        error |= Enable(d ? ABI_KIND_DRIVER : ABI_KIND_RUNTIME);
        for (uint32_t cbid = 1; use == 1 && cbid < 1024; cbid++)
            if (noise[d][cbid]) (d ? EnableDriver : EnableRuntime)(cbid, 0);
    }
    return error;
}

int kinds_on(const struct way *way) {
    kernels = calls = others = bytes = 0;
    seen_count = 0;
    if (way->buffer_bytes) buffer_bytes = (size_t)way->buffer_bytes;
    uint8_t per_thread = !way->shared_buffer, zeroed = 1;
    size_t one = 1;
    SetAttr(9, &one, &per_thread);
    Register(request, complete);
    SetAttr(ABI_ATTR_ZEROED_OUT_ACTIVITY_BUFFER, &one, &zeroed);
    ThreadId(ABI_THREAD_ID_SYSTEM);
    if (way->latency) Latency(1);
    return enable(way);
}

static void disable(const struct way *way) {
    static const uint32_t kinds[] = {ABI_KIND_CONCURRENT_KERNEL, ABI_KIND_MEMCPY, ABI_KIND_MEMSET, ABI_KIND_OVERHEAD, ABI_KIND_RUNTIME, ABI_KIND_DRIVER};
    int on[] = {way->device, way->device, way->device, way->overhead, way->runtime, way->driver};
    for (size_t i = 0; i < 6; i++)
        if (on[i]) Disable(kinds[i]);
    if (way->latency) Latency(0);
    if (subscriber != NULL) Unsubscribe(subscriber);
    subscriber = NULL;
}

int kinds_off(const struct way *way) {
    FlushAll(ABI_FLUSH_COMPLETED);
    disable(way);
    FlushAll(ABI_FLUSH_FORCED);
    return way->finalize ? Finalize() : 0;
}

void kinds_counts(long *out) {
    out[0] = kernels;
    out[1] = calls;
    out[2] = (long)seen_count;
    out[3] = bytes;
}

/* ---- windows: capture switched on and off by a thread of its own while the program launches ---- */

static struct {
    pthread_t thread;
    struct way way;
    int on_ms, off_ms, finalize;
    atomic_int stop;
    long windows;
    double enable_us, disable_us, flush_us, finalize_us;
    int error;
} w;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void *windows(void *unused) {
    (void)unused;
    while (!w.stop) {
        double a = now_us();
        if (w.finalize || w.windows == 0) {
            size_t one = 1;
            uint8_t zeroed = 1;
            Register(request, complete);
            SetAttr(ABI_ATTR_ZEROED_OUT_ACTIVITY_BUFFER, &one, &zeroed);
            ThreadId(ABI_THREAD_ID_SYSTEM);
        }
        w.error |= enable(&w.way);
        double b = now_us();
        usleep((useconds_t)w.on_ms * 1000);
        double c = now_us();
        disable(&w.way);
        double d = now_us();
        FlushAll(ABI_FLUSH_COMPLETED);
        double e = now_us();
        if (w.finalize) {
            FlushAll(ABI_FLUSH_FORCED);
            w.error |= Finalize();
        }
        double f = now_us();
        w.enable_us += b - a, w.disable_us += d - c, w.flush_us += e - d, w.finalize_us += f - e;
        w.windows++;
        usleep((useconds_t)w.off_ms * 1000);
    }
    return NULL;
}

int kinds_windows_start(const struct way *way, int on_ms, int off_ms, int finalize) {
    memset(&w, 0, sizeof w);
    kernels = calls = others = bytes = 0;
    w.way = *way;
    w.on_ms = on_ms, w.off_ms = off_ms, w.finalize = finalize;
    return pthread_create(&w.thread, NULL, windows, NULL);
}

int kinds_windows_stop(double *out) {
    w.stop = 1;
    pthread_join(w.thread, NULL);
    double n = w.windows ? (double)w.windows : 1;
    out[0] = (double)w.windows, out[1] = w.enable_us / n, out[2] = w.disable_us / n, out[3] = w.flush_us / n, out[4] = w.finalize_us / n;
    FlushAll(ABI_FLUSH_FORCED);
    if (!w.finalize) w.error |= Finalize();
    return w.error;
}
