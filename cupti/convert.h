/* From CUPTI's records to the ring's. Not thread-safe: the caller holds its own lock around every call. */
#ifndef INFERSCOPE_CONVERT_H
#define INFERSCOPE_CONVERT_H

#include "calls.h"
#include "library.h"
#include "names.h"
#include "ring.h"

/* Where records go. */
struct sink {
    struct ring ring;
    struct names names;
    struct calls calls;
    uint64_t written; /* records of this capture that found room */
};

/* Copies one activity buffer into the ring, which must be open, and publishes it. What cannot be read is counted. */
void convert_buffer(struct sink *sink, const struct cupti *cupti, uint8_t *buffer, size_t valid);

/* Appends a record of the ring. */
void convert_put(struct sink *sink, const void *record);

#endif
