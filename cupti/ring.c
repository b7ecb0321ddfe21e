#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic uint64_t *atom(uint64_t *word) { return (_Atomic uint64_t *)word; }

static int ring_valid(const struct ring *ring) {
    const struct gpu_ring_header *h = ring->header;
    return h->magic == GPU_RING_MAGIC && h->version == GPU_RING_VERSION && h->header_bytes == GPU_RING_HEADER_BYTES &&
           h->capacity == ring->capacity && ring->capacity >= GPU_RING_LEAST && (ring->capacity & (ring->capacity - 1)) == 0 &&
           ring->capacity <= ring->mapped - GPU_RING_HEADER_BYTES && h->head % 8 == 0;
}

void ring_count(uint64_t *counter, uint64_t by) { atomic_fetch_add_explicit(atom(counter), by, memory_order_relaxed); }

void ring_state(struct ring *ring, uint32_t state) {
    atomic_store_explicit((_Atomic uint32_t *)&ring->header->state, state, memory_order_release);
}

const char *ring_open(struct ring *ring, const char *path) {
    struct stat st;
    if (ring->header != NULL) {
        if (stat(path, &st) == 0 && st.st_ino == ring->inode && st.st_dev == ring->device && ring_valid(ring)) {
            ring->at = ring->header->head;
            return NULL;
        }
        ring_close(ring);
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return "the ring file cannot be opened";
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= GPU_RING_HEADER_BYTES) {
        close(fd);
        return "the ring file is too small";
    }
    /* A page that cannot be had later, in a full /dev/shm, would be a bus error in the application. */
    if (fallocate(fd, 0, 0, st.st_size) != 0 && errno != EOPNOTSUPP) {
        close(fd);
        return "there is no room for the ring in shared memory (is /dev/shm full?)";
    }
    /* Populated: a page fault inside CUPTI's callback would be charged to the application. */
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) return "the ring file cannot be mapped";
    *ring = (struct ring){.header = map, .data = (uint8_t *)map + GPU_RING_HEADER_BYTES, .mapped = (size_t)st.st_size,
                          .inode = st.st_ino, .device = st.st_dev};
    ring->capacity = ring->header->capacity;
    if (!ring_valid(ring)) {
        ring_close(ring);
        return "the ring file has another layout (the sidecar and the shim differ in version)";
    }
    madvise(map, ring->mapped, MADV_DONTFORK);
    ring->at = ring->header->head;
    return NULL;
}

void ring_close(struct ring *ring) {
    if (ring->header != NULL) munmap(ring->header, ring->mapped);
    memset(ring, 0, sizeof *ring);
}

int ring_is_at(const struct ring *ring, const char *path) {
    struct stat st;
    return ring->header != NULL && stat(path, &st) == 0 && st.st_ino == ring->inode && st.st_dev == ring->device;
}

/* Reserves size bytes in one piece, or returns NULL and counts a drop. */
static uint8_t *reserve(struct ring *ring, size_t size) {
    uint64_t capacity = ring->capacity, at = ring->at;
    uint64_t left = capacity - (at & (capacity - 1));
    uint64_t need = size > left ? size + left : size;
    if (at + need - atomic_load_explicit(atom(&ring->header->tail), memory_order_acquire) > capacity) {
        ring_count(&ring->header->dropped, 1);
        return NULL;
    }
    if (size > left) {
        /* PAD's size is 16 bits: long ends are filled by several. */
        while (left > 0) {
            uint16_t piece = left > 32768 ? 32768 : (uint16_t)left;
            struct gpu_record pad = {GPU_RECORD_PAD, piece, 0};
            memcpy(ring->data + (at & (capacity - 1)), &pad, sizeof pad);
            at += piece;
            left -= piece;
        }
    }
    ring->at = at + size;
    return ring->data + (at & (capacity - 1));
}

int ring_write(struct ring *ring, const void *record) {
    struct gpu_record head;
    memcpy(&head, record, sizeof head);
    uint8_t *to = reserve(ring, head.size);
    if (to == NULL) return 0;
    memcpy(to, record, head.size);
    return 1;
}

int ring_write_name(struct ring *ring, uint32_t id, const char *text) {
    size_t length = strnlen(text, GPU_NAME_MAX);
    size_t size = (sizeof(struct gpu_record_name) + length + 7) & ~(size_t)7;
    uint8_t *to = reserve(ring, size);
    if (to == NULL) return 0;
    struct gpu_record_name name = {{GPU_RECORD_NAME, (uint16_t)size, id}, (uint32_t)length, 0};
    memcpy(to, &name, sizeof name);
    memcpy(to + sizeof name, text, length);
    memset(to + sizeof name + length, 0, size - sizeof name - length);
    return 1;
}

void ring_publish(struct ring *ring) {
    atomic_store_explicit(atom(&ring->header->head), ring->at, memory_order_release);
}
