#define _GNU_SOURCE
#include "capture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffers.h"
#include "clock.h"
#include "drain.h"
#include "recorder.h"
#include "windows.h"

#define EXPORTED __attribute__((visibility("default")))
#define MAX_CANDIDATES 16
#define DEFAULT_DRAIN_MS 10000u

/* STARTING is the late start of an armed capture, while it lasts. */
enum state { IDLE, ARMED, ON, STARTING };

/* One capture at a time in a process. `control` orders begin, drain, end, the late start and the switching of windows, and
 * is never taken by CUPTI's callbacks. */
static struct {
    pthread_mutex_t control;
    _Atomic int state;
    _Atomic pid_t pid;
    struct inferscope_options options;
    struct driver driver;
    char *candidates[MAX_CANDIDATES + 1];
    char ring_path[512];
    struct drain *drain;
    int drain_waited; /* the caller has had its wait */
    uint64_t on_ns, start_cost_ns;
    struct inferscope_outcome late; /* of a start that InitializeInjection made */
    int atfork;
} shim = {.control = PTHREAD_MUTEX_INITIALIZER};

/* Switches CUPTI on. control is held; returns 0 or an error that is described in
 * outcome, and then nothing is left on. */
static int turn_on(struct inferscope_outcome *outcome) {
    uint64_t began = clock_monotonic();
    const char *why = recorder_open(shim.ring_path, shim.options.devices_fd);
    if (why != NULL) {
        snprintf(outcome->detail, sizeof outcome->detail, "%s", why);
        return recorder_fail(outcome, "open the ring", -1);
    }
    recorder_put_earlier(shim.options.earlier_ns);
    int error;
    if (recorder_cupti((const char *const *)shim.candidates, &why) == NULL) {
        snprintf(outcome->detail, sizeof outcome->detail, "%s", why);
        error = recorder_fail(outcome, "find CUPTI", -1);
    } else {
        error = recorder_on(&shim.options, outcome);
    }
    if (error != 0) {
        recorder_close(shim.ring_path);
        return error;
    }
    shim.on_ns = clock_monotonic();
    shim.start_cost_ns = shim.on_ns - began;
    atomic_store(&shim.state, ON);
    windows_begin(&shim.control, &shim.driver, &shim.options, shim.on_ns);
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
    recorder_after_fork();
    windows_after_fork();
    shim.drain = NULL;
    shim.on_ns = 0;
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
    struct recorder_totals totals = recorder_totals();
    outcome->size = sizeof *outcome;
    outcome->version = recorder_found()->version;
    outcome->records = totals.written;
    outcome->worked = totals.worked;
    outcome->on_ns = shim.on_ns;
    outcome->started = shim.on_ns != 0;
    outcome->start_cost_ns = shim.start_cost_ns;
    snprintf(outcome->library, sizeof outcome->library, "%s", recorder_found()->path);
}

/* A new capture knows nothing of the last one. control is held. */
static void forget_capture(void) {
    recorder_forget();
    shim.on_ns = shim.start_cost_ns = 0;
    memset(&shim.late, 0, sizeof shim.late);
}

EXPORTED int inferscope_capture_earlier(uint32_t milliseconds) {
    pthread_mutex_lock(&shim.control);
    int done = 1;
    if (atomic_load(&shim.state) == IDLE && driver_find(&shim.driver) && driver_initialised(&shim.driver)) {
        struct drain *drain = drain_begin(&shim.driver);
        if (drain != NULL) {
            done = drain_wait(drain, milliseconds);
            drain_end(drain);
        }
    }
    pthread_mutex_unlock(&shim.control);
    return done;
}

EXPORTED int inferscope_capture_begin(const char *ring_path, const char *const *candidates,
                                      const struct inferscope_options *options, struct inferscope_outcome *outcome) {
    if (outcome == NULL) return -1;
    memset(outcome, 0, sizeof *outcome);
    pthread_mutex_lock(&shim.control);
    int result = 0;
    if (ring_path == NULL || options == NULL || options->size != sizeof *options || strlen(ring_path) >= sizeof shim.ring_path) {
        snprintf(outcome->detail, sizeof outcome->detail, "the caller is of another version");
        result = recorder_fail(outcome, "begin", -1);
        goto out;
    }
    if (atomic_load(&shim.state) != IDLE) {
        snprintf(outcome->detail, sizeof outcome->detail, "a capture is already going on");
        result = recorder_fail(outcome, "begin", -1);
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
    recorder_calls_off();
    if (shim.drain == NULL && driver_find(&shim.driver)) shim.drain = drain_begin(&shim.driver);
    return shim.drain != NULL && drain_wait(shim.drain, milliseconds);
}

EXPORTED int inferscope_capture_drain(uint32_t milliseconds) {
    windows_stop();
    pthread_mutex_lock(&shim.control);
    int done = 1;
    if (atomic_load(&shim.state) == ON && windows_open()) {
        windows_close_last(clock_monotonic());
        done = drain_for(milliseconds);
        shim.drain_waited = 1;
    }
    pthread_mutex_unlock(&shim.control);
    return done;
}

/* Waits for the device, and takes what CUPTI still has. control is held. */
static int finish(struct inferscope_outcome *outcome) {
    uint32_t limit = shim.options.drain_ms != 0 ? shim.options.drain_ms : DEFAULT_DRAIN_MS;
    int result = 0, error;
    windows_close_last(clock_monotonic());
    int idle = drain_for(shim.drain_waited ? 0 : limit);
    outcome->busy = !idle;
    outcome->records_used = !recorder_uses_callbacks() && shim.options.correlation == INFERSCOPE_CORRELATION_CALLBACKS;
    if (shim.drain != NULL) outcome->devices = drain_end(shim.drain);
    shim.drain = NULL;
    if ((error = recorder_flush(0)) != 0) result = recorder_fail(outcome, "flush", error);
    if ((error = recorder_put_clock()) != 0) result = recorder_fail(outcome, "read CUPTI's clock", error);
    recorder_put_devices(&shim.driver);
    /* With kernels under way Finalize would wait for them, however long. */
    if ((error = recorder_off(idle && shim.options.finalize, outcome)) != 0) result = error;
    windows_put_last();
    return result;
}

EXPORTED int inferscope_capture_end(struct inferscope_outcome *outcome) {
    if (outcome == NULL) return -1;
    memset(outcome, 0, sizeof *outcome);
    windows_stop();
    pthread_mutex_lock(&shim.control);
    uint64_t began = clock_monotonic();
    int result = 0;
    int state = atomic_load(&shim.state);
    if (state == ARMED && shim.late.step[0] != 0) {
        *outcome = shim.late;
        result = outcome->cupti_error != 0 ? outcome->cupti_error : -1;
    }
    if (state == ON && windows_open()) {
        result = finish(outcome);
    } else if (state == ON) {
        /* Between two windows CUPTI is out already. */
        recorder_put_devices(&shim.driver);
        outcome->finalized = 1;
    }
    windows_end(outcome);
    atomic_store(&shim.state, IDLE);
    recorder_close(shim.ring_path);
    buffers_trim();
    fill(outcome);
    forget_capture();
    outcome->stop_cost_ns = clock_monotonic() - began;
    pthread_mutex_unlock(&shim.control);
    return result;
}

EXPORTED int inferscope_capture_state(void) {
    int state = atomic_load(&shim.state);
    return state == STARTING ? ARMED : state;
}

EXPORTED void inferscope_capture_release(void) {
    pthread_mutex_lock(&shim.control);
    if (atomic_load(&shim.state) == IDLE) recorder_release();
    pthread_mutex_unlock(&shim.control);
}

EXPORTED uint64_t inferscope_capture_worked(void) { return recorder_totals().worked; }

EXPORTED int inferscope_device_name(int device, char *name, int length) {
    int handle = 0;
    if (name == NULL || length <= 0) return -1;
    *name = 0;
    if (shim.driver.handle == NULL) return -1;
    int error = shim.driver.DeviceGet(&handle, device);
    return error != 0 ? error : shim.driver.DeviceGetName(name, length, handle);
}
