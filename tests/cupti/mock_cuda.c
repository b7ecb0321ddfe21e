/* Stands for libcuda.so.1 in tests without a GPU: one or more devices, an initialisation that honours
 * CUDA_INJECTION64_PATH as the driver does, and a device that is busy until a time that the test sets.
 *
 * Environment: MOCK_CUDA_DEVICES (1), MOCK_CUDA_VERSION (13000), MOCK_CUDA_HANG_MS: every wait takes that much longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOT_INITIALIZED 3
#define MAX_DEVICES 8

static _Atomic int initialised;
static _Atomic uint64_t busy_until;
static _Atomic int retained;
static _Thread_local void *current;
static char contexts[MAX_DEVICES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text != NULL && *text != 0 ? atoi(text) : otherwise;
}

static void initialise(void) {
    const char *path = getenv("CUDA_INJECTION64_PATH");
    atomic_store(&initialised, 1);
    if (path == NULL) return;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    int (*inject)(void) = NULL;
    if (library == NULL) return;
    void *symbol = dlsym(library, "InitializeInjection");
    memcpy(&inject, &symbol, sizeof symbol);
    if (inject != NULL) inject();
}

/* The one function that works before cuInit. */
int cuDriverGetVersion(int *version) {
    *version = setting("MOCK_CUDA_VERSION", 13000);
    return 0;
}

int cuInit(unsigned flags) {
    (void)flags;
    pthread_once(&once, initialise);
    return 0;
}

int cuDeviceGetCount(int *count) {
    if (!atomic_load(&initialised)) return NOT_INITIALIZED;
    *count = setting("MOCK_CUDA_DEVICES", 1);
    return 0;
}

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return ordinal < MAX_DEVICES ? 0 : 101;
}

int cuDeviceGetName(char *name, int length, int device) {
    (void)device;
    snprintf(name, (size_t)length, "NVIDIA H100 80GB HBM3");
    return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = (size_t)80 << 30;
    return 0;
}

int cuDeviceGetPCIBusId(char *id, int length, int device) {
    snprintf(id, (size_t)length, "0000:%02X:00.0", 0x1b + device);
    return 0;
}

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    (void)device;
    *flags = 0;
    *active = 1;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    atomic_fetch_add(&retained, 1);
    *context = &contexts[device];
    return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    atomic_fetch_sub(&retained, 1);
    return 0;
}

int cuCtxGetCurrent(void **context) {
    *context = current;
    return 0;
}

int cuCtxPushCurrent_v2(void *context) {
    current = context;
    return 0;
}

int cuCtxPopCurrent_v2(void **context) {
    *context = current;
    current = NULL;
    return 0;
}

/* Waits until the device has no work. */
void mock_cuda_wait(void) {
    uint64_t until = atomic_load(&busy_until);
    struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) {
    }
    int more = setting("MOCK_CUDA_HANG_MS", 0);
    struct timespec hang = {more / 1000, (long)(more % 1000) * 1000000};
    nanosleep(&hang, NULL);
}

int cuCtxSynchronize(void) {
    if (current == NULL) return 201;
    mock_cuda_wait();
    return 0;
}

/* For tests: the device has work until then (CLOCK_MONOTONIC). */
void mock_cuda_busy_until(uint64_t monotonic) { atomic_store(&busy_until, monotonic); }

/* For tests: references to primary contexts that were not given back. */
int mock_cuda_retained(void) { return atomic_load(&retained); }
