/* What the programs and Go say to each other. */
#ifndef INFERSCOPE_CALLS_H
#define INFERSCOPE_CALLS_H

#include "bpf.h"

/* One call of a function of the driver's library. */
struct call_record {
	u32 function; /* the index that its probe was given */
	u32 tid;      /* in the process's own pid namespace, 0 when not known */
	u64 start;    /* CLOCK_MONOTONIC of the kernel */
	u64 end;      /* 0: it had not returned when collection ended */
	u64 bytes;    /* copied, set or allocated; 0 when no argument says */
};

_Static_assert(sizeof(struct call_record) == 32, "call_record");

/* A probe's cookie: the function's index, which arguments are multiplied for its size
 * in bytes (the first is 1; 0 for none), and the bytes of an element. */
enum cookie_layout {
	COOKIE_FUNCTION_BITS = 16,
	COOKIE_SIZE_SHIFT = 16,
	COOKIE_FACTOR_SHIFT = 20,
	COOKIE_ELEMENT_SHIFT = 24,
};

/* Counted on each CPU since the programs were loaded. */
struct call_counts {
	u64 records;    /* calls recorded, lost ones included */
	u64 lost;       /* calls that found no room in the ring */
	u64 unfinished; /* calls whose return was not seen */
	u64 untracked;  /* calls of threads that could not be given a state */
};

#endif
