#define _GNU_SOURCE
#include "ring.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic uint64_t *atom(uint64_t *word) { return (_Atomic uint64_t *)word; }

const char *ring_open(struct ring *ring, const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return "the ring file cannot be opened";
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= GPU_RING_HEADER_BYTES) {
        close(fd);
        return "the ring file is too small";
    }
    /* Populated: a page fault inside CUPTI's callback would be charged to the application. */
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) return "the ring file cannot be mapped";
    struct gpu_ring_header *header = map;
    uint64_t capacity = header->capacity;
    if (header->magic != GPU_RING_MAGIC || header->version != GPU_RING_VERSION ||
        header->header_bytes != GPU_RING_HEADER_BYTES || capacity == 0 || (capacity & (capacity - 1)) != 0 ||
        capacity + GPU_RING_HEADER_BYTES > (uint64_t)st.st_size) {
        munmap(map, (size_t)st.st_size);
        return "the ring file has another layout (the sidecar and the shim differ in version)";
    }
    madvise(map, (size_t)st.st_size, MADV_DONTFORK);
    ring->header = header;
    ring->data = (uint8_t *)map + GPU_RING_HEADER_BYTES;
    ring->mapped = (size_t)st.st_size;
    return NULL;
}

void ring_close(struct ring *ring) {
    if (ring->header != NULL) munmap(ring->header, ring->mapped);
    memset(ring, 0, sizeof *ring);
}

/* The writer's position runs ahead of the published head; it lives in the header's
 * reserved word so that a ring is one object. */
static uint64_t *cursor(struct ring *ring) { return &ring->header->reserved2[0]; }

/* Reserves size bytes in one piece, or returns NULL and counts a drop. */
static uint8_t *reserve(struct ring *ring, size_t size) {
    struct gpu_ring_header *h = ring->header;
    uint64_t capacity = h->capacity, at = *cursor(ring);
    uint64_t left = capacity - (at & (capacity - 1));
    uint64_t need = size > left ? size + left : size;
    if (at + need - atomic_load_explicit(atom(&h->tail), memory_order_acquire) > capacity) {
        h->dropped++;
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
    *cursor(ring) = at + size;
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
    atomic_store_explicit(atom(&ring->header->head), *cursor(ring), memory_order_release);
}
