/*
 * The shim: the one piece of C that InferScope puts into the profiled process.
 *
 * This part looks at what the process has already loaded and opened; it loads nothing, initialises nothing and starts no
 * thread. Every function may be called from any thread, any number of times, also while libraries come and go. Capture,
 * which does more, is in capture.h.
 */
#ifndef INFERSCOPE_SHIM_H
#define INFERSCOPE_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of a layout or of a function below; the caller refuses another one. */
#define INFERSCOPE_SHIM_VERSION 3

/* Bits of inferscope_gpu_presence.flags. */
enum {
    /* libcuda, the driver's library, is mapped. A framework may map it and never use a GPU. */
    INFERSCOPE_GPU_LIBCUDA = 1 << 0,
    /* libcudart, the runtime as a shared library, is mapped. Programs that link it statically do not show it. */
    INFERSCOPE_GPU_LIBCUDART = 1 << 1,
    /* libcupti is mapped: another profiler may hold CUPTI's only subscription. */
    INFERSCOPE_GPU_LIBCUPTI = 1 << 2,
    /* The library given as the CUDA injection is mapped. */
    INFERSCOPE_GPU_INJECTION = 1 << 3,
    /* The process has the driver's memory device open, which cuInit does and NVML does not: CUDA is in use. */
    INFERSCOPE_GPU_INITIALISED = 1 << 4,
};

#define INFERSCOPE_PATH_SIZE 256

struct inferscope_gpu_presence {
    uint32_t flags;
    /* What cuptiGetVersion says (18 is CUDA 11.8, 130000 is 13.0); 0 when libcupti is not mapped or does not say. */
    uint32_t cupti_version;
    /* Where each library was mapped from; NUL-terminated, cut to fit, empty when it is not mapped. */
    char libcuda[INFERSCOPE_PATH_SIZE];
    char libcupti[INFERSCOPE_PATH_SIZE];
};

_Static_assert(offsetof(struct inferscope_gpu_presence, flags) == 0, "read by gpu.py");
_Static_assert(offsetof(struct inferscope_gpu_presence, cupti_version) == 4, "read by gpu.py");
_Static_assert(offsetof(struct inferscope_gpu_presence, libcuda) == 8, "read by gpu.py");
_Static_assert(offsetof(struct inferscope_gpu_presence, libcupti) == 264, "read by gpu.py");
_Static_assert(sizeof(struct inferscope_gpu_presence) == 520, "read by gpu.py");

/* INFERSCOPE_SHIM_VERSION of the library that answers. */
uint32_t inferscope_shim_version(void);

/*
 * Fills *presence. injection is the value of CUDA_INJECTION64_PATH, or NULL: the environment is the caller's to read,
 * because another thread may be changing it. fd_directory is "/proc/self/fd", or NULL for that. Takes tens of
 * microseconds: it reads the name of every open descriptor. Returns 0, or -1 when presence is NULL; a part that cannot be
 * seen is left unset.
 */
int inferscope_gpu_probe(struct inferscope_gpu_presence *presence, const char *injection, const char *fd_directory);

#ifdef __cplusplus
}
#endif

#endif
