#define _GNU_SOURCE
#include "windows.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "calllog.h"
#include "clock.h"
#include "drain.h"
#include "governor.h"
#include "gpu_ring.h"
#include "recorder.h"

#define TICK_NS 20000000u
#define SOON_NS 3000000u
/* How long the cell may be kept waiting for the device before a window is closed; else the device is what the cell waits
 * for, and launches cost it nothing. */
#define DEVICE_MS 5u
#define LATER_NS 200000000u
/* A thread that has made no call for this long is between two of its pieces of work. */
#define QUIET_NS 1000000u

static struct {
    pthread_mutex_t *_Atomic control;
    const struct driver *driver;
    const struct inferscope_options *options;
    int open;
    uint64_t start, end; /* of the window; end 0 while it is open */
    uint64_t last_kernel;
    uint64_t not_before; /* no closing is tried until then */
    uint32_t count;      /* windows that are closed */
    int broken;          /* CUPTI could not be switched: as it is it stays */
    int finalized;       /* by the last closing */
    /* The governor and its thread. `lock` is held for a few instructions only. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct governor governor;
    pthread_t thread;
    int running, stop;
    _Atomic int asked, postponed;
    _Atomic uint32_t ungoverned;
} w = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum governor_wish wish(void) {
    pthread_mutex_lock(&w.lock);
    enum governor_wish what = w.stop ? GOVERNOR_STAY : governor_decide(&w.governor, clock_monotonic(), calllog_launches());
    pthread_mutex_unlock(&w.lock);
    return what;
}

/* ---- on the thread that runs the cell ------------------------------------ */

static void put_overhead(uint64_t from, uint64_t to) {
    struct gpu_record_overhead out = {.head = {GPU_RECORD_OVERHEAD, sizeof out, 0}, .start = recorder_time(from), .end = recorder_time(to)};
    recorder_put(&out);
}

static void put_window(uint64_t launches) {
    struct recorder_totals totals = recorder_totals();
    struct gpu_record_window out = {.head = {GPU_RECORD_WINDOW, sizeof out, 0}, .start = w.start, .end = w.end, .launches = launches,
                                    .first_kernel = totals.first_kernel, .last_kernel = totals.last_kernel};
    recorder_put(&out);
}

static int device_idle(void) {
    struct drain *drain = drain_begin(w.driver);
    if (drain == NULL) return 0;
    int idle = drain_wait(drain, DEVICE_MS);
    drain_end(drain);
    return idle;
}

static void close_window(void) {
    uint64_t now = clock_monotonic();
    if (now < w.not_before) return;
    if (calllog_others_active(QUIET_NS) || calllog_stream_capture()) {
        atomic_store(&w.postponed, 1);
        return;
    }
    recorder_calls_off();
    if (!device_idle()) {
        recorder_calls_again();
        w.not_before = clock_monotonic() + LATER_NS;
        return;
    }
    struct inferscope_outcome outcome = {.size = sizeof outcome};
    uint64_t launches = calllog_launches();
    w.broken = recorder_off(1, &outcome) != 0;
    w.finalized = (int)outcome.finalized;
    w.end = now;
    put_window(launches);
    uint64_t done = clock_monotonic();
    put_overhead(now, done);
    struct recorder_totals totals = recorder_totals();
    uint64_t missed = w.last_kernel != 0 && totals.first_kernel > w.last_kernel ? totals.first_kernel - w.last_kernel - 1 : 0;
    w.last_kernel = totals.last_kernel;
    w.open = 0;
    w.count++;
    pthread_mutex_lock(&w.lock);
    governor_closed(&w.governor, now, done - now, launches, missed);
    pthread_mutex_unlock(&w.lock);
}

static void open_window(void) {
    uint64_t began = clock_monotonic();
    struct inferscope_outcome outcome = {.size = sizeof outcome};
    if (w.broken || recorder_on(w.options, &outcome) != 0) {
        w.broken = 1;
        return;
    }
    if (!recorder_uses_callbacks()) {
        /* Somebody else has subscribed meanwhile. */
        recorder_off(0, &outcome);
        w.broken = 1;
        return;
    }
    w.start = clock_monotonic();
    w.end = 0;
    w.open = 1;
    put_overhead(began, w.start);
    pthread_mutex_lock(&w.lock);
    governor_opened(&w.governor, w.start, w.start - began);
    pthread_mutex_unlock(&w.lock);
}

/* What run_soon runs. A capture that has ended meanwhile, or is being ended, wishes nothing. */
static int step(void *unused) {
    (void)unused;
    pthread_mutex_t *control = atomic_load(&w.control);
    if (control != NULL && pthread_mutex_trylock(control) == 0) {
        atomic_store(&w.postponed, 0);
        switch (wish()) {
        case GOVERNOR_CLOSE: close_window(); break;
        case GOVERNOR_OPEN: open_window(); break;
        case GOVERNOR_STAY: break;
        }
        pthread_mutex_unlock(control);
    }
    atomic_store(&w.asked, 0);
    return 0;
}

/* ---- the governor's thread ----------------------------------------------- */

static void *govern(void *unused) {
    (void)unused;
    pthread_mutex_lock(&w.lock);
    while (!w.stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += atomic_load(&w.postponed) ? SOON_NS : TICK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&w.wake, &w.lock, &until);
        if (w.stop || atomic_load(&w.asked)) continue;
        pthread_mutex_unlock(&w.lock);
        enum governor_wish what = wish();
        if (what == GOVERNOR_CLOSE && calllog_overlapped()) {
            atomic_store(&w.ungoverned, INFERSCOPE_SEVERAL_THREADS);
        } else if (what != GOVERNOR_STAY) {
            atomic_store(&w.asked, 1);
            if (w.options->run_soon(step, NULL) != 0) atomic_store(&w.asked, 0);
        }
        pthread_mutex_lock(&w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    return NULL;
}

static int start_thread(void) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w.wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w.thread, NULL, govern, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) return 0;
    /* By this name the observers of threads leave it out. */
    pthread_setname_np(w.thread, "inferscope-gov");
    return 1;
}

void windows_begin(pthread_mutex_t *control, const struct driver *driver, const struct inferscope_options *options, uint64_t now) {
    atomic_store(&w.control, control);
    w.driver = driver;
    w.options = options;
    w.open = 1;
    w.start = now;
    w.end = w.last_kernel = w.not_before = 0;
    w.count = 0;
    w.broken = w.finalized = 0;
    atomic_store(&w.postponed, 0);
    atomic_store(&w.ungoverned, INFERSCOPE_GOVERNED);
    int can = options->budget_ppm > 0 && options->run_soon != NULL && recorder_uses_callbacks();
    pthread_mutex_lock(&w.lock);
    governor_begin(&w.governor, can ? options->budget_ppm : 0, now);
    w.stop = 0;
    pthread_mutex_unlock(&w.lock);
    calllog_forget_overlap();
    int running = can && options->finalize && recorder_can_finalize() && start_thread();
    pthread_mutex_lock(&w.lock);
    w.running = running;
    pthread_mutex_unlock(&w.lock);
}

void windows_stop(void) {
    pthread_mutex_lock(&w.lock);
    int running = w.running && !w.stop;
    w.stop = 1;
    if (running) pthread_cond_signal(&w.wake);
    pthread_mutex_unlock(&w.lock);
    if (!running) return;
    pthread_join(w.thread, NULL);
    pthread_cond_destroy(&w.wake);
}

int windows_open(void) { return w.open; }

void windows_close_last(uint64_t now) {
    if (w.open && w.end == 0) w.end = now;
}

void windows_put_last(void) {
    if (w.count == 0 || !w.open) return;
    put_window(calllog_launches());
    w.count++;
}

void windows_end(struct inferscope_outcome *outcome) {
    outcome->windows = w.count;
    if (!w.open && w.count > 0) outcome->finalized = (uint32_t)w.finalized;
    uint32_t ungoverned = atomic_load(&w.ungoverned);
    if (w.count == 0 && ungoverned == INFERSCOPE_GOVERNED && w.open && !w.running && w.end != 0 &&
        governor_decide(&w.governor, w.end, calllog_launches()) == GOVERNOR_CLOSE)
        ungoverned = INFERSCOPE_NO_FINALIZE;
    outcome->ungoverned = w.count == 0 ? ungoverned : INFERSCOPE_GOVERNED;
    w.open = 0;
    pthread_mutex_lock(&w.lock);
    w.running = 0;
    pthread_mutex_unlock(&w.lock);
}

void windows_after_fork(void) {
    pthread_mutex_init(&w.lock, NULL);
    atomic_store(&w.control, NULL);
    w.open = w.running = 0;
    w.stop = 1;
    atomic_store(&w.asked, 0);
}
