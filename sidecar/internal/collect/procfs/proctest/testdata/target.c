// A process of known behaviour. It prints "ready PID TID...", waits for a line,
// does what its first argument says, prints "done" and waits for end of file.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

// spin burns CPU time of the calling thread.
static void spin(long ms) {
    long until = now(CLOCK_THREAD_CPUTIME_ID) + ms * 1000000L;
    while (now(CLOCK_THREAD_CPUTIME_ID) < until) {
        for (volatile int i = 0; i < 20000; i++) {
        }
    }
}

static void rest(long us) {
    struct timespec ts = {us / 1000000, us % 1000000 * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static long amount; // the second argument
static const char *mode;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int started, go, finished, quit;
static atomic_int tids[4096];
static int ends[2];

static void wait_for(atomic_int *what, int value) {
    int seen;
    while ((seen = atomic_load(what)) < value) {
        syscall(SYS_futex, what, 0, seen, NULL, NULL, 0);
    }
}

static void tell(atomic_int *what) {
    atomic_fetch_add(what, 1);
    syscall(SYS_futex, what, 1, 1 << 30, NULL, NULL, 0);
}

static void *worker(void *argument) {
    long index = (long)argument;
    atomic_store(&tids[index], (int)syscall(SYS_gettid));
    tell(&started);
    wait_for(&go, 1);
    if (strcmp(mode, "lock") == 0) {
        pthread_mutex_lock(&lock);
        pthread_mutex_unlock(&lock);
    } else if (strcmp(mode, "preempt") == 0) {
        pin(0);
        spin(amount);
    } else if (strcmp(mode, "crowd") == 0) {
        for (int i = 0; i < 20; i++) {
            rest(amount * 1000 / 20);
        }
    } else if (strcmp(mode, "pingpong") == 0) {
        char byte;
        int fd = ends[index];
        for (long i = 0; i < amount; i++) {
            if (index == 0 && write(fd, "x", 1) != 1) break;
            if (read(fd, &byte, 1) != 1) break;
            if (index == 1 && write(fd, "x", 1) != 1) break;
        }
    }
    tell(&finished);
    wait_for(&quit, 1);
    return NULL;
}

static void *brief(void *argument) {
    (void)argument;
    prctl(PR_SET_NAME, "a) S (\n1 2");
    spin(5);
    rest(15000);
    return NULL;
}

static void touch(size_t bytes) {
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        exit(3);
    }
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes; i += 4096) {
        memory[i] = 1;
    }
    munmap(memory, bytes);
}

static void files(long rounds) {
    char path[] = "/var/tmp/inferscope-target-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        exit(4);
    }
    unlink(path);
    static char block[1 << 20];
    for (long i = 0; i < rounds; i++) {
        block[0] = (char)i;
        if (pwrite(fd, block, sizeof block, 0) < 0 || fsync(fd) < 0) {
            exit(4);
        }
    }
    close(fd);
}

static void child(long ms) {
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, "the-child");
        spin(ms / 2);
        rest(ms * 1000 / 2);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void pipe_wait(long ms) {
    int fd[2];
    if (pipe(fd) < 0) {
        exit(5);
    }
    pid_t pid = fork();
    if (pid == 0) {
        rest(ms * 1000);
        _exit(write(fd[1], "x", 1) != 1);
    }
    char byte;
    if (read(fd[0], &byte, 1) != 1) {
        exit(5);
    }
    waitpid(pid, NULL, 0);
}

static void act(void) {
    if (strcmp(mode, "sleep") == 0) {
        rest(amount * 1000);
    } else if (strcmp(mode, "lock") == 0) {
        rest(amount * 1000);
        pthread_mutex_unlock(&lock);
    } else if (strcmp(mode, "spin") == 0) {
        spin(amount);
    } else if (strcmp(mode, "die") == 0) {
        spin(amount);
        _exit(0);
    } else if (strcmp(mode, "churn") == 0) {
        for (long i = 0; i < amount; i++) {
            pthread_t thread;
            pthread_create(&thread, NULL, brief, NULL);
            pthread_join(thread, NULL);
        }
    } else if (strcmp(mode, "child") == 0) {
        child(amount);
    } else if (strcmp(mode, "pipe") == 0) {
        pipe_wait(amount);
    } else if (strcmp(mode, "touch") == 0) {
        touch((size_t)amount << 20);
    } else if (strcmp(mode, "files") == 0) {
        files(amount);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        return 2;
    }
    mode = argv[1];
    amount = atol(argv[2]);
    long workers = argc > 3 ? atol(argv[3]) : 0;
    pthread_t threads[4096];
    if (strcmp(mode, "lock") == 0) {
        pthread_mutex_lock(&lock);
    }
    if (strcmp(mode, "pingpong") == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
        return 3;
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    for (long i = 0; i < workers; i++) {
        if (pthread_create(&threads[i], &small, worker, (void *)i) != 0) {
            return 3;
        }
    }
    wait_for(&started, (int)workers);
    printf("ready %d", (int)getpid());
    for (long i = 0; i < workers; i++) {
        printf(" %d", atomic_load(&tids[i]));
    }
    printf("\n");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) == 1 && byte != '\n') {
    }
    tell(&go);
    act();
    wait_for(&finished, (int)workers);
    printf("done\n");
    fflush(stdout);
    while (read(0, &byte, 1) == 1) {
    }
    tell(&quit);
    for (long i = 0; i < workers; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
