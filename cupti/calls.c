#define _GNU_SOURCE
#include "calls.h"

#include <string.h>

/* A call is wanted when its name begins with one of these and contains none of the
 * words below it. They launch, copy, set, wait, allocate, load code, or record and
 * wait on events; queries and setters of state are noise. */
static const char *const begins[] = {
    "cudaLaunch", "cudaMemcpy", "cudaMemset", "cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaHostRegister",
    "cudaHostUnregister", "cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize", "cudaThreadSynchronize",
    "cudaStreamWaitEvent", "cudaEventRecord", "cudaGraphLaunch", "cudaGraphInstantiate", "cudaGraphExecUpdate",
    "cudaGraphUpload", "cudaMemPrefetch", "cudaModule", "cudaLibraryLoad", "cudaStreamBeginCapture", "cudaStreamEndCapture",
    "cudaMemPool", "cudaDeviceReset",
    "cuStreamBeginCapture", "cuStreamEndCapture", "cuLaunch", "cuMemcpy", "cuMemset", "cuMemAlloc", "cuMemFree", "cuMemHostAlloc", "cuMemHostRegister",
    "cuCtxSynchronize", "cuStreamSynchronize", "cuEventSynchronize", "cuStreamWaitEvent", "cuEventRecord", "cuGraphLaunch",
    "cuGraphInstantiate", "cuGraphExecUpdate", "cuGraphUpload", "cuMemPrefetch", "cuModuleLoad", "cuLibraryLoad", "cuLink",
    "cuMemMap", "cuMemUnmap", "cuMemCreate", "cuMemRelease", "cuCtxCreate", "cuDevicePrimaryCtxRetain", "cuInit"};
static const char *const contains[] = {"GetAttribute", "SetAttribute", "GetAccess", "SetAccess", "PoolCreate", "PoolDestroy",
                                       "PoolTrim", "PoolExport", "PoolImport", "ExecKernelNode"};

static int wanted(const char *name) {
    for (size_t i = 0; i < sizeof contains / sizeof contains[0]; i++)
        if (strstr(name, contains[i]) != NULL) return 0;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0) return 1;
    return 0;
}

static int has(const char *name, const char *prefix) { return strncmp(name, prefix, strlen(prefix)) == 0; }

/* The runtime's launch functions launch through the driver's, and the callback of those is the cheaper one. */
static uint8_t use_of(const char *name, int driver) {
    if (!wanted(name)) return 0;
    uint8_t use = CALL_WANTED;
    const char *rest = name + strlen(driver ? "cu" : "cuda");
    if (driver || !has(rest, "LaunchKernel")) use |= CALL_LOGGED;
    if (has(rest, "LaunchHostFunc")) return use;
    if (has(rest, "Launch") || has(rest, "GraphLaunch")) use |= CALL_LAUNCHES | CALL_WORKS;
    if (has(rest, "Memcpy") || has(rest, "Memset") || has(rest, "MemPrefetch")) use |= CALL_WORKS;
    if (has(rest, "StreamBeginCapture")) use |= CALL_BEGINS_CAPTURE;
    if (has(rest, "StreamEndCapture")) use |= CALL_ENDS_CAPTURE;
    return use;
}

static uint32_t domain(int driver) { return driver ? ABI_DOMAIN_DRIVER : ABI_DOMAIN_RUNTIME; }

void calls_prepare(struct calls *calls, const struct cupti *cupti) {
    for (int d = 0; d < 2; d++) {
        if (calls->count[d] > 0) continue;
        for (uint32_t cbid = 1; cbid < CALLS_MAX; cbid++) {
            const char *name = NULL;
            if (cupti->GetCallbackName(domain(d), cbid, &name) != ABI_SUCCESS || name == NULL) continue;
            calls->text[d][cbid] = name;
            calls->use[d][cbid] = use_of(name, d);
            calls->count[d] = cbid + 1;
        }
    }
}

void calls_silence_noise(const struct calls *calls, const struct cupti *cupti) {
    for (int d = 0; d < 2; d++) {
        int (*enable)(uint32_t, uint8_t) = d ? cupti->ActivityEnableDriverApi : cupti->ActivityEnableRuntimeApi;
        if (enable == NULL) continue;
        for (uint32_t cbid = 1; cbid < calls->count[d]; cbid++)
            if (calls->text[d][cbid] != NULL && !(calls->use[d][cbid] & CALL_WANTED)) enable(cbid, 0);
    }
}

uint32_t calls_name(const struct calls *calls, int driver, uint32_t cbid, const char **text) {
    if (cbid >= CALLS_MAX) return 0;
    *text = calls->text[driver][cbid];
    return calls->name[driver][cbid];
}

void calls_set_name(struct calls *calls, int driver, uint32_t cbid, uint32_t id) {
    if (cbid < CALLS_MAX) calls->name[driver][cbid] = id;
}

void calls_forget_names(struct calls *calls) { memset(calls->name, 0, sizeof calls->name); }
