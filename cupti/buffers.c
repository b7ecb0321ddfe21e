#define _GNU_SOURCE
#include "buffers.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define KEPT 2u
#define DISCARDS 64

/* The lock is held for a few instructions only: CUPTI asks for buffers on the application's own threads. */
static struct {
    pthread_mutex_t lock;
    uint8_t *free[BUFFERS_MAX];
    uint32_t freed, existing, limit, bytes;
    uint8_t discard_used[DISCARDS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .limit = BUFFERS_DEFAULT_COUNT, .bytes = BUFFERS_DEFAULT_BYTES};

/* Untouched, and so without memory, until it is needed. */
static uint8_t discards[DISCARDS][8192] __attribute__((aligned(4096)));

/* Inherited by a forked child on purpose: CUPTI's hooks still run there and may write to it. */
static uint8_t *map_buffer(size_t bytes) {
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

void buffers_prepare(uint32_t bytes, uint32_t count) {
    if (bytes == 0) bytes = BUFFERS_DEFAULT_BYTES;
    if (count == 0 || count > BUFFERS_MAX) count = BUFFERS_DEFAULT_COUNT;
    pthread_mutex_lock(&pool.lock);
    while (pool.bytes != bytes && pool.freed > 0) {
        munmap(pool.free[--pool.freed], pool.bytes);
        pool.existing--;
    }
    pool.bytes = bytes;
    pool.limit = count;
    while (pool.freed < KEPT && pool.existing < pool.limit) {
        uint8_t *buffer = map_buffer(bytes);
        if (buffer == NULL) break;
        pool.existing++;
        pool.free[pool.freed++] = buffer;
    }
    pthread_mutex_unlock(&pool.lock);
}

static uint8_t *take_discard(void) {
    for (int i = 0; i < DISCARDS - 1; i++) {
        if (!pool.discard_used[i]) {
            pool.discard_used[i] = 1;
            return discards[i];
        }
    }
    return discards[DISCARDS - 1]; /* shared by all that come too late: nobody reads it */
}

uint8_t *buffers_take(size_t *size) {
    pthread_mutex_lock(&pool.lock);
    uint8_t *buffer = pool.freed > 0 ? pool.free[--pool.freed] : NULL;
    int fresh = buffer == NULL && pool.existing < pool.limit;
    if (fresh) pool.existing++;
    else if (buffer == NULL) buffer = take_discard();
    *size = pool.bytes;
    pthread_mutex_unlock(&pool.lock);
    if (fresh && (buffer = map_buffer(*size)) == NULL) {
        pthread_mutex_lock(&pool.lock);
        pool.existing--;
        buffer = take_discard();
        pthread_mutex_unlock(&pool.lock);
    }
    if (buffers_is_discard(buffer)) *size = sizeof discards[0];
    return buffer;
}

int buffers_is_discard(const uint8_t *buffer) {
    return buffer >= discards[0] && buffer < discards[0] + sizeof discards;
}

void buffers_give(uint8_t *buffer, size_t size, size_t used) {
    /* CUPTI is told that buffers come zeroed. */
    if (used > 0 && buffer != discards[DISCARDS - 1]) memset(buffer, 0, used < size ? used : size);
    pthread_mutex_lock(&pool.lock);
    int keep = 0;
    if (buffers_is_discard(buffer)) {
        pool.discard_used[(size_t)(buffer - discards[0]) / sizeof discards[0]] = 0;
        keep = 1;
    } else if (size == pool.bytes && pool.freed < pool.limit) {
        pool.free[pool.freed++] = buffer;
        keep = 1;
    } else if (pool.existing > 0) {
        pool.existing--;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!keep) munmap(buffer, size);
}

void buffers_trim(void) {
    for (;;) {
        pthread_mutex_lock(&pool.lock);
        uint8_t *buffer = pool.freed > KEPT ? pool.free[--pool.freed] : NULL;
        size_t bytes = pool.bytes;
        if (buffer != NULL) pool.existing--;
        pthread_mutex_unlock(&pool.lock);
        if (buffer == NULL) return;
        munmap(buffer, bytes);
    }
}

void buffers_forget(void) {
    pthread_mutex_lock(&pool.lock);
    pool.existing = pool.freed;
    memset(pool.discard_used, 0, sizeof pool.discard_used);
    pthread_mutex_unlock(&pool.lock);
}

void buffers_after_fork(void) { pthread_mutex_init(&pool.lock, NULL); }
