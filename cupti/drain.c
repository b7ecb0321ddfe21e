#define _GNU_SOURCE
#include "drain.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define MAX_CONTEXTS 65

struct drain {
    pthread_mutex_t lock;
    pthread_cond_t done;
    const struct driver *driver;
    void *contexts[MAX_CONTEXTS];
    int devices[MAX_CONTEXTS]; /* whose primary context is retained, -1 for none */
    int count;
    uint32_t synchronised;
    int finished, users;
};

static void leave(struct drain *drain) {
    pthread_mutex_lock(&drain->lock);
    int last = --drain->users == 0;
    pthread_mutex_unlock(&drain->lock);
    if (!last) return;
    pthread_cond_destroy(&drain->done);
    pthread_mutex_destroy(&drain->lock);
    free(drain);
}

static void *wait_for_device(void *argument) {
    struct drain *drain = argument;
    const struct driver *d = drain->driver;
    void *popped = NULL;
    uint32_t synchronised = 0;
    /* The mode of this thread alone: otherwise a wait would break a graph capture that another thread has begun. */
    int relaxed = 2; /* CU_STREAM_CAPTURE_MODE_RELAXED */
    if (d->ThreadExchangeStreamCaptureMode != NULL) d->ThreadExchangeStreamCaptureMode(&relaxed);
    for (int i = 0; i < drain->count; i++) {
        if (d->CtxPushCurrent(drain->contexts[i]) == 0) {
            if (d->CtxSynchronize() == 0) synchronised++;
            d->CtxPopCurrent(&popped);
        }
        if (drain->devices[i] >= 0) d->DevicePrimaryCtxRelease(drain->devices[i]);
    }
    pthread_mutex_lock(&drain->lock);
    drain->synchronised = synchronised;
    drain->finished = 1;
    pthread_cond_broadcast(&drain->done);
    pthread_mutex_unlock(&drain->lock);
    leave(drain);
    return NULL;
}

static void collect_contexts(struct drain *drain) {
    const struct driver *d = drain->driver;
    void *own = NULL;
    if (d->CtxGetCurrent(&own) == 0 && own != NULL) {
        drain->contexts[drain->count] = own;
        drain->devices[drain->count++] = -1;
    }
    int count = 0;
    d->DeviceGetCount(&count);
    for (int i = 0; i < count && drain->count < MAX_CONTEXTS; i++) {
        int device = 0, active = 0;
        unsigned flags = 0;
        void *context = NULL;
        if (d->DeviceGet(&device, i) != 0 || d->DevicePrimaryCtxGetState(device, &flags, &active) != 0 || !active) continue;
        if (d->DevicePrimaryCtxRetain(&context, device) != 0) continue;
        if (context == own) {
            d->DevicePrimaryCtxRelease(device);
            continue;
        }
        drain->contexts[drain->count] = context;
        drain->devices[drain->count++] = device;
    }
}

struct drain *drain_begin(const struct driver *driver) {
    struct drain *drain = calloc(1, sizeof *drain);
    if (drain == NULL) return NULL;
    drain->driver = driver;
    drain->users = 2;
    pthread_mutex_init(&drain->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&drain->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    collect_contexts(drain);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, &detached, wait_for_device, drain);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (error == 0) return drain;
    for (int i = 0; i < drain->count; i++)
        if (drain->devices[i] >= 0) driver->DevicePrimaryCtxRelease(drain->devices[i]);
    drain->users = 1;
    leave(drain);
    return NULL;
}

int drain_wait(struct drain *drain, uint32_t milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&drain->lock);
    while (!drain->finished && pthread_cond_timedwait(&drain->done, &drain->lock, &until) == 0) {
    }
    int finished = drain->finished;
    pthread_mutex_unlock(&drain->lock);
    return finished;
}

uint32_t drain_end(struct drain *drain) {
    pthread_mutex_lock(&drain->lock);
    uint32_t synchronised = drain->finished ? drain->synchronised : 0;
    pthread_mutex_unlock(&drain->lock);
    leave(drain);
    return synchronised;
}
