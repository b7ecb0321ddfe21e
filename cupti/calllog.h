/* The CUDA calls that matter, as CUPTI's callbacks tell of them on the calling threads.
 *
 * An activity record of a call costs the launching thread more than the record of its kernel does; a callback on the
 * driver's launch functions costs next to nothing beside it (bench/gpu_capture_kinds). So calls are logged here: each
 * thread writes to a log of its own, without a lock, and the logs are emptied into the ring by whoever holds the sink. */
#ifndef INFERSCOPE_CALLLOG_H
#define INFERSCOPE_CALLLOG_H

#include "convert.h"

/* How calls reach the ring while they are made. flush empties the logs into the sink if nobody else holds it, and gives up
 * at once otherwise; touched is told of each device that a thread begins to work on. Both are called on the threads that
 * make the calls, outside of any lock of this file. */
struct calllog_events {
    void (*flush)(void);
    void (*touched)(uint32_t device);
};

/* Subscribes to CUPTI and switches the callbacks on; events stays valid while the library is loaded. Returns 0, or CUPTI's
 * error (39: another subscriber), and then nothing is on. One log at a time. */
int calllog_on(const struct cupti *cupti, const struct calls *calls, const struct calllog_events *events);

/* Calls that end from here on are not logged. Those that are logged stay until calllog_drain. */
void calllog_pause(void);

/* Undoes calllog_pause; calls that were under way meanwhile are not logged. */
void calllog_resume(void);

/* Gives CUPTI its subscription back. No call is logged any more. */
void calllog_off(const struct cupti *cupti);

/* Moves what was logged into the ring. offset is CUPTI's clock minus CLOCK_MONOTONIC, in ns: records carry CUPTI's time. The
 * caller holds the sink. */
void calllog_drain(struct sink *sink, int64_t offset);

/* Calls that launched kernels or graphs since calllog_on. */
uint64_t calllog_launches(void);

/* Whether a thread other than the caller's is inside a call, or was in the last quiet_ns. */
int calllog_others_active(uint64_t quiet_ns);

/* Whether two threads were inside calls at one time since calllog_forget_overlap: then one of them may be when CUPTI is
 * switched. */
int calllog_overlapped(void);
void calllog_forget_overlap(void);

/* Whether a stream is being captured into a graph. */
int calllog_stream_capture(void);

/* In a forked child: no call is logged. */
void calllog_after_fork(void);

#endif
