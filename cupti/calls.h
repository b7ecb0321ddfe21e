/* Which CUDA calls are worth a record, by name. */
#ifndef INFERSCOPE_CALLS_H
#define INFERSCOPE_CALLS_H

#include "library.h"

#define CALLS_MAX 1024 /* cbids a domain; 13.5 has some 530 runtime and 820 driver ones */

/* What a call is to the log of calls, beside being worth a record. */
enum call_use {
    CALL_WANTED = 1,
    CALL_LOGGED = 2,         /* its callback is switched on */
    CALL_LAUNCHES = 4,       /* launches kernels or a graph */
    CALL_WORKS = 8,          /* makes a device work: launches, copies and sets */
    CALL_BEGINS_CAPTURE = 16, /* of a stream into a graph */
    CALL_ENDS_CAPTURE = 32
};

struct calls {
    uint32_t count[2]; /* cbids known; 0 runtime, 1 driver */
    const char *text[2][CALLS_MAX];
    uint32_t name[2][CALLS_MAX]; /* id in the ring's names, 0 when not sent yet */
    uint8_t use[2][CALLS_MAX]; /* enum call_use, or-ed */
};

/* Asks CUPTI for the names of all calls, once a CUPTI library. */
void calls_prepare(struct calls *calls, const struct cupti *cupti);

/* Switches off the records of every call that is not wanted. */
void calls_silence_noise(const struct calls *calls, const struct cupti *cupti);

/* The ring's id of a call's name, or 0 with *text set when it must be sent first. */
uint32_t calls_name(const struct calls *calls, int driver, uint32_t cbid, const char **text);

/* Remembers that the name was sent. */
void calls_set_name(struct calls *calls, int driver, uint32_t cbid, uint32_t id);

/* A new ring knows no names. */
void calls_forget_names(struct calls *calls);

#endif
