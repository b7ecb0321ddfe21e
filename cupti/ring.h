/* The producer's side of the ring in gpu_ring.h. Not thread-safe: the caller
 * holds its own lock around every call. */
#ifndef INFERSCOPE_RING_H
#define INFERSCOPE_RING_H

#include <sys/types.h>

#include "gpu_ring.h"

/* What the header says is copied once: the other side cannot move our bounds afterwards. */
struct ring {
    struct gpu_ring_header *header; /* NULL when not open */
    uint8_t *data;
    uint64_t capacity;
    uint64_t at; /* bytes written, published or not */
    size_t mapped;
    ino_t inode;
    dev_t device;
};

/* Maps the ring file at path, or goes on with the mapping of the same file: mapping 32 MiB takes milliseconds. The
 * consumer has emptied it. Returns NULL, or a static sentence that says why not. */
const char *ring_open(struct ring *ring, const char *path);

/* Unmaps; the file is the sidecar's. Safe on a ring that is not open. */
void ring_close(struct ring *ring);

/* Whether the ring is open and still the file at path. */
int ring_is_at(const struct ring *ring, const char *path);

/* Adds to one of the header's counters, and tells the consumer the state. The ring is open. */
void ring_count(uint64_t *counter, uint64_t by);
void ring_state(struct ring *ring, uint32_t state);

/* Appends one record whose head.size is set; counts it as dropped when it does
 * not fit. Nothing is visible to the consumer before ring_publish. Returns 1 when written. */
int ring_write(struct ring *ring, const void *record);

/* Appends a NAME record. Longer texts are cut to GPU_NAME_MAX bytes. Returns 1 when written. */
int ring_write_name(struct ring *ring, uint32_t id, const char *text);

/* Makes everything written so far visible. */
void ring_publish(struct ring *ring);

#define GPU_NAME_MAX 4096

#endif
