/* CUPTI's clock and CLOCK_MONOTONIC. */
#ifndef INFERSCOPE_CLOCK_H
#define INFERSCOPE_CLOCK_H

#include "gpu_ring.h"
#include "library.h"

/* CLOCK_MONOTONIC in ns. */
uint64_t clock_monotonic(void);

/* Makes sure that CUPTI counts nanoseconds. Registering a clock for each capture corrupted its first records on some
 * versions, so that is done only where nothing else helps, and at most once until clock_forget. Returns 0 or an error. */
int clock_prepare(const struct cupti *cupti);

/* CUPTI was taken out, and with it the clock that it was given. */
void clock_forget(void);

/* The tightest of 100 brackets of one CUPTI timestamp between two monotonic ones. Returns 0 or CUPTI's error. */
int clock_bracket(const struct cupti *cupti, struct gpu_record_clock *best);

#endif
