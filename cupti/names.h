/* Kernel names, sent once a capture each. */
#ifndef INFERSCOPE_NAMES_H
#define INFERSCOPE_NAMES_H

#include "ring.h"

#define NAMES_SLOTS (1u << 16)

/* An open-addressing set of 64-bit content hashes. Two names with the same hash
 * would be taken for one: with 40,000 names the chance is below 1 in 10^10. */
struct names {
    uint64_t *hash; /* NAMES_SLOTS, 0 for free; allocated at the first use */
    uint32_t *id;
    uint32_t count;
};

/* Forgets all names: the next capture has a new ring. */
void names_reset(struct names *names);

/* The id of text, written to the ring when it is new; 0 when the table is full or
 * the ring has no room (the name is then tried again with the next record). */
uint32_t names_intern(struct names *names, struct ring *ring, const char *text);

#endif
