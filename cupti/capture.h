/* Capture of one cell's GPU work through CUPTI into the ring.
 *
 * The functions are for ctypes: plain C types, no callbacks, no exceptions. They
 * may be called from any thread; begin and end exclude each other. */
#ifndef INFERSCOPE_CAPTURE_H
#define INFERSCOPE_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

struct inferscope_options {
    uint32_t size;         /* sizeof(struct inferscope_options) of the caller */
    uint32_t finalize;     /* 1: cuptiFinalize at the end where it is safe */
    uint32_t buffer_bytes; /* of one activity buffer; 0 for the default */
    uint32_t max_buffers;  /* 0 for the default */
    uint32_t correlation;  /* enum inferscope_correlation */
    uint32_t drain_ms;     /* how long end waits for the device; 0 for the default */
    uint32_t budget_ppm;   /* the share of the cell's time that capture may cost, in millionths; 0: capture is whole */
    int32_t devices_fd;    /* an eventfd that gets a 1 when a second device is put to work; -1 for none */
    /* Has a function called soon on the thread that runs the cell, between two of its instructions; 0 when it will be.
     * Python's Py_AddPendingCall is one. Without it capture is whole. */
    int (*run_soon)(int (*function)(void *), void *argument);
    uint64_t earlier_ns; /* how long the caller has waited in inferscope_capture_earlier, for the consumer; 0 for not */
};
_Static_assert(offsetof(struct inferscope_options, run_soon) == 32, "read by gpu_capture.py");
_Static_assert(offsetof(struct inferscope_options, earlier_ns) == 40, "read by gpu_capture.py");
_Static_assert(sizeof(struct inferscope_options) == 48, "read by gpu_capture.py");

/* How device operations are joined to the host call that launched them. */
enum inferscope_correlation {
    INFERSCOPE_CORRELATION_CALLBACKS = 0, /* callbacks of the calls that matter; records where CUPTI has a subscriber already */
    INFERSCOPE_CORRELATION_NONE = 1,      /* device records alone */
    INFERSCOPE_CORRELATION_RECORDS = 2    /* RUNTIME and DRIVER kinds, noise switched off */
};

struct inferscope_outcome {
    uint32_t size;
    int32_t cupti_error;   /* of the step that failed, 0 for none */
    uint32_t version;      /* CUPTI's API version, 0 when not found */
    uint32_t started;      /* CUPTI was on at some time */
    uint32_t finalized;    /* cuptiFinalize was called and succeeded */
    uint32_t devices;      /* contexts that were synchronised */
    uint64_t records;      /* written to the ring */
    uint64_t on_ns;        /* CLOCK_MONOTONIC when capture was on, 0 when never */
    uint64_t start_cost_ns;
    uint64_t stop_cost_ns;
    uint32_t busy;         /* the device had work left when end stopped waiting for it: the records are not complete */
    uint32_t windows;      /* into which the governor cut the capture; 0: it was whole */
    char step[48];         /* the step that failed, empty when all went well */
    char detail[208];      /* CUPTI's words for it */
    char library[512];     /* where CUPTI was found */
    uint64_t worked;       /* a bit for each device that was put to work, of the first 64 */
    uint32_t ungoverned;   /* capture passed the budget and could not be cut: enum inferscope_ungoverned */
    uint32_t records_used; /* calls were recorded by CUPTI's records, which cost more: it had a subscriber already */
};
_Static_assert(offsetof(struct inferscope_outcome, records) == 24, "read by gpu_capture.py");
_Static_assert(offsetof(struct inferscope_outcome, busy) == 56, "read by gpu_capture.py");
_Static_assert(offsetof(struct inferscope_outcome, step) == 64, "read by gpu_capture.py");
_Static_assert(offsetof(struct inferscope_outcome, worked) == 832, "read by gpu_capture.py");
_Static_assert(sizeof(struct inferscope_outcome) == 848, "read by gpu_capture.py");

/* Why a capture that cost more than its budget went on whole. */
enum inferscope_ungoverned {
    INFERSCOPE_GOVERNED = 0,
    INFERSCOPE_SEVERAL_THREADS = 1, /* several threads use CUDA at a time: CUPTI must not be switched under one of them */
    INFERSCOPE_NO_FINALIZE = 2      /* CUPTI may not be taken out, or is too old for it: its residue would stay anyway */
};

/* Waits at most milliseconds for what the device has to do from before a capture. Returns 1 when that is done, or when CUDA
 * is not in use. CUPTI would wait for it in its first call, without a limit and without a word (cuptiActivityRegisterCallbacks
 * of CUPTI 13.0 after cuptiFinalize: 485 ms beside 484 ms of kernels under way, on an H100; bench/gpu_carry_in.py measures it);
 * who knows of it can give up, and can tell what is not the cell's. To be called as often as needed before begin. */
int inferscope_capture_earlier(uint32_t milliseconds);

/* Starts capture; when CUDA is not yet initialised in this process, arms instead
 * and starts from InitializeInjection, which the driver calls when the environment
 * variable CUDA_INJECTION64_PATH named this library at that moment. candidates is a NULL-terminated list of CUPTI
 * libraries to try when none is loaded. Returns 0 when on or armed; otherwise
 * fills outcome and nothing is left running. */
int inferscope_capture_begin(const char *ring_path, const char *const *candidates,
                             const struct inferscope_options *options, struct inferscope_outcome *outcome);

/* Waits at most milliseconds for the device to do what the cell asked of it; host calls are recorded no more. Returns 1
 * when it has, or when no capture is on. To be called as often as needed before end, so that the caller can be
 * interrupted; end then does not wait. */
int inferscope_capture_drain(uint32_t milliseconds);

/* Ends capture: host calls off, the device waited for (at most drain_ms), records flushed, device records off, finalize.
 * Returns 0 or the first error, and always leaves capture off. Without a capture it does nothing. */
int inferscope_capture_end(struct inferscope_outcome *outcome);

/* A bit for each device that was put to work since begin, of the first 64. Callable at any time. */
uint64_t inferscope_capture_worked(void);

/* The product name of a device, by CUDA's ordinal, zero-terminated. Returns 0, or the driver's error; -1 without a driver. */
int inferscope_device_name(int device, char *name, int length);

/* 0 idle, 1 armed, 2 on. */
int inferscope_capture_state(void);

/* Lets go of the shared memory, which is otherwise kept for the next capture: the sidecar is gone. */
void inferscope_capture_release(void);

#endif
