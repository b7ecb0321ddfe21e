#define _GNU_SOURCE
#include "names.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits, from the description of Fowler, Noll and Vo. */
static uint64_t hash_of(const char *text) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != 0; text++) h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h != 0 ? h : 1;
}

void names_reset(struct names *names) {
    if (names->hash == NULL) {
        names->hash = calloc(NAMES_SLOTS, sizeof *names->hash);
        names->id = calloc(NAMES_SLOTS, sizeof *names->id);
    } else if (names->count > 0) {
        memset(names->hash, 0, NAMES_SLOTS * sizeof *names->hash);
    }
    names->count = 0;
}

uint32_t names_intern(struct names *names, struct ring *ring, const char *text) {
    if (names->hash == NULL || names->id == NULL) return 0;
    uint64_t h = hash_of(text);
    uint32_t slot = (uint32_t)(h >> 16) & (NAMES_SLOTS - 1);
    while (names->hash[slot] != 0) {
        if (names->hash[slot] == h) return names->id[slot];
        slot = (slot + 1) & (NAMES_SLOTS - 1);
    }
    if (names->count >= NAMES_SLOTS / 4 * 3) {
        ring_count(&ring->header->unnamed, 1);
        return 0;
    }
    if (!ring_write_name(ring, names->count + 1, text)) return 0;
    names->hash[slot] = h;
    names->id[slot] = ++names->count;
    return names->count;
}
