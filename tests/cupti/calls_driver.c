/* Calls the functions of mock_cuda_calls.c from two threads, a known number of times, and tells the time around
 * each: calls_driver LIBRARY. It obeys one command a line on standard input, and ends with it:
 *
 *   load       loads the library (as any other command does first)
 *   calls N    each thread goes N times through its calls; prints "TID NAME BYTES BEFORE AFTER" for each
 *   storm N S  N launches with S ns of CPU time before each, and nothing is printed of them
 *   fork N     a child makes N launches and stays until the end; prints its id
 *   wait       a thread waits for the device, which is busy for an hour
 *
 * It answers a line "ready TID" when it has started, and "done" after each command. Times are CLOCK_MONOTONIC ns. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static void *library;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;
static pthread_t waiting;

static void *find(const char *name) {
    if (library == NULL) library = dlopen(path, RTLD_NOW);
    void *found = library == NULL ? NULL : dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "calls_driver: %s\n", dlerror());
        exit(1);
    }
    return found;
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }

struct call {
    const char *name;
    uint64_t arguments[5];
    uint64_t bytes; /* what the arguments say */
};

static uint64_t out;
static const struct call first_calls[] = {
    {"cuLaunchKernel", {1, 2}, 0},
    {"cuLaunchKernelEx", {1, 2}, 0},
    {"cuMemcpyHtoDAsync_v2", {1, 2, 5000000000u}, 5000000000u},
    {"cuMemcpyDtoH_v2", {1, 2, 4096}, 4096},
    {"cuMemcpyDtoH", {1, 2, 4096}, 0},
    {"cuStreamSynchronize", {0}, 0},
    {"cuStreamQuery", {0}, 0},
};
static const struct call second_calls[] = {
    {"cuLaunchKernel_ptsz", {1, 2}, 0},
    {"cuGraphLaunch", {1, 0}, 0},
    {"cuMemsetD32Async", {1, 7, 1000, 0}, 4000},
    {"cuMemsetD2D16_v2", {1, 2, 3, 10, 20}, 400},
    {"cuEventSynchronize", {0}, 0},
    {"cuMemAlloc_v2", {(uint64_t)&out, 77}, 77},
    {"cuMemFree_v2", {1}, 0},
    {"cuModuleLoadData", {(uint64_t)&out, 1}, 0},
};

struct work {
    const struct call *calls;
    size_t count;
    long times;
};

typedef int (*function)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static void *make(void *data) {
    struct work *work = data;
    long tid = syscall(SYS_gettid);
    for (long i = 0; i < work->times; i++) {
        for (size_t c = 0; c < work->count; c++) {
            const struct call *call = &work->calls[c];
            function f;
            void *symbol = find(call->name);
            memcpy(&f, &symbol, sizeof f);
            const uint64_t *a = call->arguments;
            uint64_t before = now();
            f(a[0], a[1], a[2], a[3], a[4]);
            uint64_t after = now();
            pthread_mutex_lock(&printing);
            printf("%ld %s %llu %llu %llu\n", tid, call->name, (unsigned long long)call->bytes, (unsigned long long)before,
                   (unsigned long long)after);
            pthread_mutex_unlock(&printing);
        }
    }
    return NULL;
}

static void calls(long times) {
    struct work first = {first_calls, sizeof first_calls / sizeof first_calls[0], times};
    struct work second = {second_calls, sizeof second_calls / sizeof second_calls[0], times};
    pthread_t other;
    find("cuLaunchKernel");
    pthread_create(&other, NULL, make, &second);
    make(&first);
    pthread_join(other, NULL);
}

static void storm(long times, long work) {
    int (*launch)(void *, unsigned);
    void *symbol = find("cuLaunchKernel");
    memcpy(&launch, &symbol, sizeof launch);
    for (long i = 0; i < times; i++) {
        if (work > 0) {
            uint64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + (uint64_t)work;
            while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until) {
            }
        }
        launch(&out, 1);
    }
}

static void child(long times) {
    int told[2];
    if (pipe(told) != 0) exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        storm(times, 0);
        if (write(told[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    char byte;
    if (read(told[0], &byte, 1) != 1) exit(1);
    printf("%d\n", (int)pid);
}

static void busy(uint64_t until) {
    void (*set)(uint64_t);
    void *symbol = find("mock_cuda_busy_until");
    memcpy(&set, &symbol, sizeof set);
    set(until);
}

static void *synchronise(void *data) {
    int *began = data;
    int (*wait)(void *);
    void *symbol = find("cuStreamSynchronize");
    memcpy(&wait, &symbol, sizeof wait);
    printf("%ld\n", (long)syscall(SYS_gettid));
    fflush(stdout);
    __atomic_store_n(began, 1, __ATOMIC_RELEASE);
    wait(NULL);
    return NULL;
}

static void start_waiting(void) {
    static int began;
    busy(now() + 3600000000000u);
    pthread_create(&waiting, NULL, synchronise, &began);
    while (!__atomic_load_n(&began, __ATOMIC_ACQUIRE)) sched_yield();
}

int main(int argc, char **argv) {
    char line[64];
    if (argc != 2) return 2;
    path = argv[1];
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    printf("ready %ld\n", (long)syscall(SYS_gettid));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        long number = 0, work = 0;
        char word[16];
        if (sscanf(line, "%15s %ld %ld", word, &number, &work) < 1) return 2;
        if (strcmp(word, "load") == 0) find("cuLaunchKernel");
        else if (strcmp(word, "calls") == 0) calls(number);
        else if (strcmp(word, "storm") == 0) storm(number, work);
        else if (strcmp(word, "fork") == 0) child(number);
        else if (strcmp(word, "wait") == 0) start_waiting();
        else return 2;
        printf("done\n");
        fflush(stdout);
    }
    return 0;
}
