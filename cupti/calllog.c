#define _GNU_SOURCE
#include "calllog.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CAPACITY 8192u /* calls a thread may be ahead of the ring: some 60 ms of nothing but launches */
#define FLUSH_AT 1024u
#define MAX_LOGS 1024

struct entry {
    uint64_t start, end; /* CLOCK_MONOTONIC */
    uint32_t correlation, cbid, returned, reserved;
};

/* One thread's: it alone moves head and the fields below it, whoever holds the sink moves tail. A log outlives its
 * thread and serves another afterwards. */
struct log {
    _Atomic uint32_t head, tail;
    _Atomic int taken;
    _Atomic uint32_t thread;
    _Atomic uint32_t inside;  /* the generation in which it entered the call that it has not left; 0: in none */
    _Atomic uint64_t last;    /* when its last call ended */
    _Atomic uint64_t launches, dropped;
    struct entry entry[CAPACITY];
};

static struct log *_Atomic logs[MAX_LOGS];
static _Atomic uint32_t log_count;
/* Odd while calls are logged. A thread that finds another number than last time forgets the call that it was in. */
static _Atomic uint32_t generation;
static _Atomic uint64_t unlogged; /* calls of threads that got no log */
static _Atomic int stream_captures;
static _Atomic int inside_count; /* threads inside a call */
static _Atomic int overlapped;   /* two threads were, at one time */
static _Atomic uint64_t launches_before;
static void *subscriber;
static const struct calls *known;
static const struct calllog_events *told;
static int (*device_of)(void *context, uint32_t *device);
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static _Thread_local struct {
    struct log *log;
    uint32_t generation, depth, context;
    uint64_t start;
} own;

static uint64_t monotonic(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void thread_ends(void *log) {
    own.log = NULL; /* a destructor that runs later may still use CUDA */
    atomic_store_explicit(&((struct log *)log)->taken, 0, memory_order_release);
}

static void prepare(void) { pthread_key_create(&at_exit, thread_ends); }

static struct log *take_log(void) {
    struct log *log = NULL;
    uint32_t count = atomic_load_explicit(&log_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && log == NULL; i++) {
        struct log *left = atomic_load_explicit(&logs[i], memory_order_acquire);
        int free = 0;
        /* Its calls carry the last owner's id until they are in the ring. */
        if (left == NULL || atomic_load(&left->head) != atomic_load(&left->tail)) continue;
        if (atomic_compare_exchange_strong(&left->taken, &free, 1)) log = left;
    }
    if (log == NULL) {
        if (count >= MAX_LOGS) return NULL;
        log = mmap(NULL, sizeof *log, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (log == MAP_FAILED) return NULL;
        atomic_store(&log->taken, 1);
        uint32_t at = atomic_fetch_add(&log_count, 1);
        if (at >= MAX_LOGS) {
            atomic_fetch_sub(&log_count, 1);
            munmap(log, sizeof *log);
            return NULL;
        }
        atomic_store_explicit(&logs[at], log, memory_order_release);
    }
    atomic_store(&log->inside, 0);
    atomic_store(&log->thread, (uint32_t)syscall(SYS_gettid));
    pthread_setspecific(at_exit, log);
    return log;
}

static void enter(uint32_t now) {
    if (own.generation != now) {
        own.generation = now;
        own.depth = 0;
        own.context = 0;
    }
    if (own.depth++ > 0) return;
    if (own.log == NULL && (own.log = take_log()) == NULL) atomic_fetch_add(&unlogged, 1);
    if (own.log != NULL) atomic_store_explicit(&own.log->inside, now, memory_order_relaxed);
    if (atomic_fetch_add(&inside_count, 1) > 0) atomic_store_explicit(&overlapped, 1, memory_order_relaxed);
    own.start = monotonic();
}

static void leave(uint32_t now, int driver, uint32_t cbid, const struct abi_callback *data) {
    /* The entry was before the log was on, or of a call around this one, which is the one to be logged. */
    if (own.generation != now || own.depth == 0 || --own.depth > 0) return;
    atomic_fetch_sub(&inside_count, 1);
    struct log *log = own.log;
    if (log == NULL) return;
    uint32_t head = atomic_load_explicit(&log->head, memory_order_relaxed);
    uint32_t used = head - atomic_load_explicit(&log->tail, memory_order_acquire);
    uint64_t end = monotonic();
    if (used < CAPACITY) {
        struct entry *entry = &log->entry[head % CAPACITY];
        entry->start = own.start;
        entry->end = end;
        entry->correlation = data->correlation;
        entry->cbid = cbid | (driver ? 0x80000000u : 0);
        entry->returned = data->returned != NULL ? *(const uint32_t *)data->returned : 0;
        atomic_store_explicit(&log->head, head + 1, memory_order_release);
    } else {
        atomic_fetch_add(&log->dropped, 1);
    }
    uint8_t use = known->use[driver][cbid];
    if (use & CALL_LAUNCHES) /* this thread's alone: no locked instruction */
        atomic_store_explicit(&log->launches, atomic_load_explicit(&log->launches, memory_order_relaxed) + 1, memory_order_relaxed);
    if (use & CALL_BEGINS_CAPTURE) atomic_fetch_add(&stream_captures, 1);
    if (use & CALL_ENDS_CAPTURE) atomic_fetch_sub(&stream_captures, 1);
    atomic_store_explicit(&log->last, end, memory_order_relaxed);
    atomic_store_explicit(&log->inside, 0, memory_order_release);
    if ((use & CALL_WORKS) && data->context_uid != own.context) {
        uint32_t device = 0;
        own.context = data->context_uid;
        if (device_of != NULL && device_of(data->context, &device) == ABI_SUCCESS) told->touched(device);
    }
    if (used >= FLUSH_AT && used % FLUSH_AT == 0) told->flush();
}

static void called(void *user, int32_t domain, uint32_t cbid, const void *data) {
    (void)user;
    uint32_t now = atomic_load_explicit(&generation, memory_order_acquire);
    const struct abi_callback *call = data;
    int driver = domain == ABI_DOMAIN_DRIVER;
    if (now % 2 == 0 || (!driver && domain != ABI_DOMAIN_RUNTIME) || cbid >= CALLS_MAX) return;
    if (call->site == ABI_SITE_ENTER) enter(now);
    else leave(now, driver, cbid, call);
}

int calllog_on(const struct cupti *cupti, const struct calls *calls, const struct calllog_events *events) {
    if (cupti->Subscribe == NULL || cupti->Unsubscribe == NULL || cupti->EnableCallback == NULL) return -1;
    pthread_once(&once, prepare);
    known = calls;
    told = events;
    device_of = cupti->GetDeviceId;
    int error = cupti->Subscribe(&subscriber, called, NULL);
    if (error != ABI_SUCCESS) {
        subscriber = NULL;
        return error;
    }
    for (int driver = 0; driver < 2; driver++) {
        for (uint32_t cbid = 1; cbid < calls->count[driver] && error == ABI_SUCCESS; cbid++)
            if (calls->use[driver][cbid] & CALL_LOGGED)
                error = cupti->EnableCallback(1, subscriber, driver ? ABI_DOMAIN_DRIVER : ABI_DOMAIN_RUNTIME, cbid);
    }
    if (error != ABI_SUCCESS) {
        calllog_off(cupti);
        return error;
    }
    atomic_fetch_add(&launches_before, calllog_launches());
    atomic_store(&stream_captures, 0);
    calllog_resume();
    return 0;
}

void calllog_pause(void) {
    if (atomic_load(&generation) % 2 == 1) atomic_fetch_add(&generation, 1);
}

void calllog_resume(void) {
    if (atomic_load(&generation) % 2 == 1) return;
    atomic_store(&inside_count, 0);
    atomic_fetch_add(&generation, 1);
}

void calllog_off(const struct cupti *cupti) {
    calllog_pause();
    if (subscriber != NULL) cupti->Unsubscribe(subscriber);
    subscriber = NULL;
}

void calllog_drain(struct sink *sink, int64_t offset) {
    uint32_t count = atomic_load_explicit(&log_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < MAX_LOGS; i++) {
        struct log *log = atomic_load_explicit(&logs[i], memory_order_acquire);
        if (log == NULL) continue;
        uint32_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
        uint32_t head = atomic_load_explicit(&log->head, memory_order_acquire);
        for (; tail != head; tail++) {
            const struct entry *e = &log->entry[tail % CAPACITY];
            struct abi_api call = {.kind = e->cbid >> 31 ? ABI_KIND_DRIVER : ABI_KIND_RUNTIME, .cbid = e->cbid & 0x7fffffffu,
                                   .start = e->start + (uint64_t)offset, .end = e->end + (uint64_t)offset,
                                   .thread = atomic_load_explicit(&log->thread, memory_order_relaxed),
                                   .correlation = e->correlation, .returned = e->returned};
            convert_call(sink, &call);
        }
        atomic_store_explicit(&log->tail, tail, memory_order_release);
        uint64_t dropped = atomic_exchange(&log->dropped, 0);
        if (dropped > 0) ring_count(&sink->ring.header->dropped, dropped);
    }
    uint64_t dropped = atomic_exchange(&unlogged, 0);
    if (dropped > 0) ring_count(&sink->ring.header->dropped, dropped);
}

uint64_t calllog_launches(void) {
    uint64_t sum = 0;
    uint32_t count = atomic_load_explicit(&log_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < MAX_LOGS; i++) {
        struct log *log = atomic_load_explicit(&logs[i], memory_order_acquire);
        if (log != NULL) sum += atomic_load_explicit(&log->launches, memory_order_relaxed);
    }
    return sum - atomic_load(&launches_before);
}

int calllog_others_active(uint64_t quiet_ns) {
    uint64_t now = monotonic();
    uint32_t current = atomic_load(&generation);
    uint32_t count = atomic_load_explicit(&log_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < MAX_LOGS; i++) {
        struct log *log = atomic_load_explicit(&logs[i], memory_order_acquire);
        if (log == NULL || log == own.log || !atomic_load(&log->taken)) continue;
        uint64_t last = atomic_load_explicit(&log->last, memory_order_relaxed);
        if (atomic_load_explicit(&log->inside, memory_order_acquire) == current || last + quiet_ns > now) return 1;
    }
    return 0;
}

int calllog_overlapped(void) { return atomic_load(&overlapped); }

void calllog_forget_overlap(void) { atomic_store(&overlapped, 0); }

int calllog_stream_capture(void) { return atomic_load(&stream_captures) > 0; }

/* Whatever CUPTI's hooks still call there finds an even number. */
void calllog_after_fork(void) {
    calllog_pause();
    subscriber = NULL;
    memset(&own, 0, sizeof own);
}
