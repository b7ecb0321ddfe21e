/* CUPTI switched on and off, and the way of its records into the ring. One a process; the caller orders all calls but those
 * that CUPTI makes. */
#ifndef INFERSCOPE_RECORDER_H
#define INFERSCOPE_RECORDER_H

#include "capture.h"
#include "library.h"

/* What a capture has seen. */
struct recorder_totals {
    uint64_t written;                  /* records that found room in the ring */
    uint64_t worked;                   /* a bit for each device that was put to work */
    uint64_t first_kernel, last_kernel; /* the driver's numbers since the last switching on, 0 when they say nothing */
};

/* Finds CUPTI (cupti_find) and tells what was found; valid for ever. NULL fills why. */
const struct cupti *recorder_cupti(const char *const *candidates, const char **why);

/* The CUPTI that was found, its handle NULL when none was. */
const struct cupti *recorder_found(void);

/* Opens the ring: records may be written from then on. Returns NULL or a sentence. devices_fd is that of the options. */
const char *recorder_open(const char *ring_path, int devices_fd);

/* What CUPTI delivers from here on is ignored. The ring stays mapped for the next capture while its file is there. */
void recorder_close(const char *ring_path);

/* Unmaps the ring. Not between recorder_open and recorder_close. */
void recorder_release(void);

/* Switches CUPTI on and puts a CLOCK record, and a state when it is the first time for this ring. Returns 0; or an error,
 * with the step and CUPTI's words in outcome, and then nothing is on. */
int recorder_on(const struct inferscope_options *options, struct inferscope_outcome *outcome);

/* Calls of the host are recorded no more; undone by recorder_calls_again, if they were callbacks. */
void recorder_calls_off(void);
void recorder_calls_again(void);

/* Takes what CUPTI has, or even what is not complete, into the ring. Returns 0 or CUPTI's error. */
int recorder_flush(int forced);

/* Switches CUPTI off and, with finalize, takes it out where that is safe; outcome->finalized tells whether it was done.
 * Returns 0 or the first error, with its step in outcome. */
int recorder_off(int finalize, struct inferscope_outcome *outcome);

/* Whether this CUPTI can be taken out of a process without harm. */
int recorder_can_finalize(void);

/* Whether calls are recorded by callbacks, not by records. */
int recorder_uses_callbacks(void);

/* Puts a record of the ring, and a CLOCK record; the latter gives 0 or CUPTI's error. */
void recorder_put(const void *record);
int recorder_put_clock(void);

/* Tells the consumer how long the device was busy with work from before the capture. */
void recorder_put_earlier(uint64_t ns);

/* Puts a DEVICE record of each device that has a primary context. */
void recorder_put_devices(const struct driver *driver);

/* CUPTI's time of a CLOCK_MONOTONIC one, by the first CLOCK record of this capture. */
uint64_t recorder_time(uint64_t monotonic);

/* A new capture knows nothing of the last one. */
void recorder_forget(void);

struct recorder_totals recorder_totals(void);

/* Fills the step that failed, once, with CUPTI's words. Returns the error, -1 for 0. */
int recorder_fail(struct inferscope_outcome *outcome, const char *step, int error);

/* In a forked child nothing of this goes on. */
void recorder_after_fork(void);

#endif
