/* From CUPTI's records to the ring's. Not thread-safe: the caller holds its own lock around every call. */
#ifndef INFERSCOPE_CONVERT_H
#define INFERSCOPE_CONVERT_H

#include "calls.h"
#include "library.h"
#include "names.h"
#include "ring.h"

/* The driver's running numbers of the kernels launched by a call of their own, since numbers was last cleared. They go on
 * when nothing is captured, a sequence a context: with two contexts they say nothing. */
struct numbering {
    uint64_t first, last;
    uint32_t context, mixed;
};

/* Where records go. */
struct sink {
    struct ring ring;
    struct names names;
    struct calls calls;
    uint64_t written; /* records of this capture that found room */
    struct numbering numbers;
    uint64_t devices; /* a bit for each that worked, of the first 64 */
    /* CUPTI counts correlation ids from 1 again when it was taken out and comes back: base is added to them, so that no two
     * calls of a capture have the same. */
    uint32_t base, most;
};

/* Copies one activity buffer into the ring, which must be open, and publishes it. What cannot be read is counted. */
void convert_buffer(struct sink *sink, const struct cupti *cupti, uint8_t *buffer, size_t valid);

/* Appends a host call. */
void convert_call(struct sink *sink, const struct abi_api *call);

/* What is appended from here on comes from a CUPTI that counts anew. */
void convert_anew(struct sink *sink);

/* Appends a record of the ring. */
void convert_put(struct sink *sink, const void *record);

#endif
