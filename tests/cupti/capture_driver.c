/* A process whose "GPU work" is captured, driven by a test: it reads one command a line and answers each with one line.
 *
 *     capture_driver SHIM LIBCUDA LIBCUPTI
 *
 *   set NAME VALUE      the environment
 *   cuda                maps libcuda         init    initialises it, as a framework does at its first use
 *   cupti               maps libcupti, as a framework does; otherwise the shim opens it when it needs it
 *   govern PPM          the overhead budget of the next capture; 0, as at first, captures whole
 *   begin RING BUFFER_BYTES MAX_BUFFERS DRAIN_MS
 *   replay FILE COUNT   does the recorded work  ->  when the device will be done, CLOCK_MONOTONIC. After each time what the
 *                       governor asked for is done, as an interpreter does between two instructions
 *   stepped             how often that was done
 *   drain MS | end | state | release
 *   fork                forks in the middle of whatever goes on; the child uses everything and exits  ->  its status
 *   pid                 its process id
 *   retained            references to contexts that were not given back
 *
 * begin and end answer "RESULT STARTED FINALIZED BUSY RECORDS ERROR WINDOWS UNGOVERNED WORKED STEP|DETAIL|LIBRARY". */
#define _GNU_SOURCE
#include "capture.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    int (*begin)(const char *, const char *const *, const struct inferscope_options *, struct inferscope_outcome *);
    int (*drain)(uint32_t);
    int (*end)(struct inferscope_outcome *);
    int (*state)(void);
    void (*release)(void);
    uint64_t (*replay)(const char *, int);
    void (*busy_until)(uint64_t);
    int (*init)(unsigned);
    int (*retained)(void);
} f;

static void *open_library(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return library;
}

static void find(void *library, const char *name, void *slot) {
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s is missing\n", name);
        exit(2);
    }
    memcpy(slot, &symbol, sizeof symbol);
}

static void answer(int result, const struct inferscope_outcome *o) {
    printf("%d %u %u %u %llu %d %u %u %llu %s|%s|%s\n", result, o->started, o->finalized, o->busy, (unsigned long long)o->records,
           o->cupti_error, o->windows, o->ungoverned, (unsigned long long)o->worked, o->step, o->detail, o->library);
}

typedef int (*pending_function)(void *);
static _Atomic(pending_function) pending;
static int stepped;

static int run_soon(pending_function function, void *argument) {
    (void)argument; /* the shim's is NULL */
    pending_function none = NULL;
    return atomic_compare_exchange_strong(&pending, &none, function) ? 0 : -1;
}

static void open_cuda(const char *path) {
    void *cuda = open_library(path);
    find(cuda, "cuInit", &f.init);
    find(cuda, "mock_cuda_busy_until", &f.busy_until);
    find(cuda, "mock_cuda_retained", &f.retained);
}

static uint64_t replay(const char *cupti, const char *file, int count) {
    if (f.replay == NULL) find(open_library(cupti), "mock_cupti_replay", &f.replay);
    uint64_t end = 0;
    for (int i = 0; i < count; i++) {
        end = f.replay(file, 1);
        if (end == 0) break;
        if (f.busy_until != NULL) f.busy_until(end);
        pending_function now = atomic_exchange(&pending, NULL);
        if (now != NULL) {
            now(NULL);
            stepped++;
        }
    }
    return end;
}

/* What a forked child of a notebook may do: everything. Nothing of it may reach the parent's capture. */
static int be_child(const char *cupti, const char *file) {
    struct inferscope_outcome outcome;
    if (f.state() != 0) return 3;
    if (f.replay != NULL && f.replay(file, 1) == 0) return 4; /* CUPTI's hooks still record in a child */
    if (f.drain(10) != 1) return 5;
    if (f.end(&outcome) != 0 || outcome.started || outcome.records != 0) return 6;
    (void)cupti;
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    void *shim = open_library(argv[1]);
    find(shim, "inferscope_capture_begin", &f.begin);
    find(shim, "inferscope_capture_drain", &f.drain);
    find(shim, "inferscope_capture_end", &f.end);
    find(shim, "inferscope_capture_state", &f.state);
    find(shim, "inferscope_capture_release", &f.release);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *const candidates[] = {"/nonexistent/libcupti.so.12", argv[3], NULL};
    char line[2048], command[32], a[1024], b[1024];
    static char file[1024];
    unsigned budget = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned bytes = 0, buffers = 0, drain = 0;
        struct inferscope_outcome outcome;
        *a = *b = 0;
        if (sscanf(line, "%31s %1023s %1023s", command, a, b) < 1) continue;
        if (strcmp(command, "set") == 0) {
            if (*b != 0) setenv(a, b, 1);
            else unsetenv(a);
            puts("ok");
        } else if (strcmp(command, "cuda") == 0) {
            open_cuda(argv[2]);
            puts("ok");
        } else if (strcmp(command, "init") == 0) {
            if (f.init == NULL) open_cuda(argv[2]);
            printf("%d\n", f.init(0));
        } else if (strcmp(command, "cupti") == 0) {
            find(open_library(argv[3]), "mock_cupti_replay", &f.replay);
            puts("ok");
        } else if (strcmp(command, "stepped") == 0) {
            printf("%d\n", stepped);
        } else if (strcmp(command, "govern") == 0) {
            budget = (unsigned)atoi(a);
            puts("ok");
        } else if (strcmp(command, "begin") == 0) {
            sscanf(line, "%*s %*s %u %u %u", &bytes, &buffers, &drain);
            struct inferscope_options options = {.size = sizeof options, .finalize = 1, .buffer_bytes = bytes,
                                                 .max_buffers = buffers, .drain_ms = drain, .budget_ppm = budget, .devices_fd = -1,
                                                 .run_soon = run_soon};
            int result = f.begin(a, candidates, &options, &outcome);
            answer(result, &outcome);
        } else if (strcmp(command, "replay") == 0) {
            snprintf(file, sizeof file, "%s", a);
            printf("%llu\n", (unsigned long long)replay(argv[3], a, atoi(b)));
        } else if (strcmp(command, "drain") == 0) {
            printf("%d\n", f.drain((uint32_t)atoi(a)));
        } else if (strcmp(command, "end") == 0) {
            int result = f.end(&outcome);
            answer(result, &outcome);
        } else if (strcmp(command, "state") == 0) {
            printf("%d\n", f.state());
        } else if (strcmp(command, "release") == 0) {
            f.release();
            puts("ok");
        } else if (strcmp(command, "retained") == 0) {
            printf("%d\n", f.retained());
        } else if (strcmp(command, "pid") == 0) {
            printf("%d\n", (int)getpid());
        } else if (strcmp(command, "fork") == 0) {
            fflush(stdout);
            pid_t child = fork();
            if (child == 0) _exit(be_child(argv[3], file));
            int status = -1;
            waitpid(child, &status, 0);
            printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
        } else {
            printf("no command %s\n", command);
        }
    }
    return 0;
}
