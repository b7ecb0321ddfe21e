/* Waiting for the device without hanging: CUDA's own waits have no time limit. */
#ifndef INFERSCOPE_DRAIN_H
#define INFERSCOPE_DRAIN_H

#include "library.h"

struct drain;

/* Begins to wait, on a thread of its own, for the work of every primary context that is in use and of the caller's own
 * context. Returns NULL when there is no thread to be had. The thread handles no signal and ends with the wait. */
struct drain *drain_begin(const struct driver *driver);

/* Waits at most milliseconds for it. Returns 1 when the device has done everything that was asked of it by drain_begin. */
int drain_wait(struct drain *drain, uint32_t milliseconds);

/* Ends the caller's use of it; a wait that goes on does so by itself. Returns how many contexts were synchronised. */
uint32_t drain_end(struct drain *drain);

#endif
