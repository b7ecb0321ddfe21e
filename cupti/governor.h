/* The overhead governor: a loop of nothing but launches cannot be captured whole within a budget, since CUPTI takes its
 * share of every launch. What capture costs is estimated as it goes on: the launches are counted, and what one costs is
 * known roughly and then measured in the very cell. When the estimate passes the budget, capture goes on in windows.
 *
 * This file decides; it calls neither CUPTI nor the clock. Times are CLOCK_MONOTONIC in ns. */
#ifndef INFERSCOPE_GOVERNOR_H
#define INFERSCOPE_GOVERNOR_H

#include <stdint.h>

/* What a captured launch costs until it is measured: 1.18 times a launch of 7.1 us on an H100 with CUDA 13.0. */
#define GOVERNOR_LAUNCH_NS 1250u
/* Below it a cell is always captured whole: two windows could not be told apart from noise. */
#define GOVERNOR_WHOLE_NS 250000000u
#define GOVERNOR_WINDOW_NS 50000000u

struct governor {
    uint32_t budget_ppm; /* of the cell's time; 0: capture is whole */
    uint64_t began;
    uint64_t window_began;       /* of the open window, else of the last one */
    uint64_t free_from;          /* when closing the last window was done, 0 when none was closed */
    uint64_t free_ns;            /* how long nothing was captured before the open window */
    int open;
    uint64_t launch_ns;          /* what one captured launch costs */
    uint64_t spent_ns;           /* by closed windows and by opening and closing them */
    uint64_t open_ns, close_ns;  /* what the last opening and the last closing took */
    uint64_t launches;           /* in the last closed window */
    uint64_t window_ns;          /* how long it was */
};

enum governor_wish { GOVERNOR_STAY, GOVERNOR_CLOSE, GOVERNOR_OPEN };

/* A capture begins, whole. */
void governor_begin(struct governor *g, uint32_t budget_ppm, uint64_t now);

/* What is to be done now; launches is how many the open window has seen. */
enum governor_wish governor_decide(const struct governor *g, uint64_t now, uint64_t launches);

/* The window ended at now, and closing it took took_ns from then on. missed is how many kernels were launched between the window before it
 * and this one while nothing was captured, 0 for not known: from the two rates follows what capture costs a launch. */
void governor_closed(struct governor *g, uint64_t now, uint64_t took_ns, uint64_t launches, uint64_t missed);

/* A window began at now, after took_ns for opening it. */
void governor_opened(struct governor *g, uint64_t now, uint64_t took_ns);

#endif
