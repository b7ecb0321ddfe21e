/* A capture in windows: the overhead governor's thread, and the switching of CUPTI on the thread that runs the cell.
 *
 * CUPTI may be taken out of a process and put in again while it lives, but not under a thread that is inside one of its
 * hooks: switching it from a thread of ours while the application launched corrupted the heap within seconds (CUDA 13.0).
 * So the governor's thread only wishes; the switching is done between two instructions of the thread that runs the cell,
 * and not at all where other threads use CUDA at the same time.
 *
 * The caller holds the capture's control lock where nothing else is said. */
#ifndef INFERSCOPE_WINDOWS_H
#define INFERSCOPE_WINDOWS_H

#include <pthread.h>

#include "capture.h"
#include "library.h"

/* A capture is on, whole. control is its lock; the other two stay valid until windows_end. */
void windows_begin(pthread_mutex_t *control, const struct driver *driver, const struct inferscope_options *options, uint64_t now);

/* No window is opened or closed any more. Waits for the governor's thread; control need not be held. */
void windows_stop(void);

/* Whether CUPTI is on: a window is open, or the capture is whole. */
int windows_open(void);

/* The last window ends at now, unless it has ended already. */
void windows_close_last(uint64_t now);

/* Puts the last window's record; all other records are in the ring. Nothing for a whole capture. */
void windows_put_last(void);

/* The capture is over: tells how it was cut. */
void windows_end(struct inferscope_outcome *outcome);

/* In a forked child: there is no thread, and nothing to switch. */
void windows_after_fork(void);

#endif
