#define _GNU_SOURCE
#include "library.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

struct search {
    const char *prefix;
    char path[512];
};

/* The soname's prefix must begin the file name: libcupti.so.12, libcupti.so.11.8, libcuda.so.1. */
static int visit(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    struct search *search = data;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *base = slash ? slash + 1 : info->dlpi_name;
    if (strncmp(base, search->prefix, strlen(search->prefix)) != 0) return 0;
    snprintf(search->path, sizeof search->path, "%s", info->dlpi_name);
    return 1;
}

/* dlsym gives an object pointer; ISO C has no conversion to a function pointer, so copy the bits. */
static int bind_symbol(void *handle, const char *name, void *slot, int required) {
    void *symbol = dlsym(handle, name);
    memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL || !required;
}

const char *cupti_find(struct cupti *cupti, const char *const *candidates) {
    if (cupti->handle != NULL) return NULL;
    struct search search = {.prefix = "libcupti.so"};
    void *handle = NULL;
    if (dl_iterate_phdr(visit, &search)) handle = dlopen(search.path, RTLD_NOW | RTLD_NOLOAD);
    for (; handle == NULL && candidates != NULL && *candidates != NULL; candidates++) {
        handle = dlopen(*candidates, RTLD_NOW | RTLD_LOCAL);
        snprintf(search.path, sizeof search.path, "%s", *candidates);
    }
    if (handle == NULL) return "no CUPTI library was found";
    struct cupti found = {.handle = handle};
    snprintf(found.path, sizeof found.path, "%s", search.path);
    int ok = 1;
#define NEED(field) ok &= bind_symbol(handle, "cupti" #field, &found.field, 1)
#define MAY(field) bind_symbol(handle, "cupti" #field, &found.field, 0)
    NEED(GetVersion);
    NEED(ActivityRegisterCallbacks);
    NEED(ActivityEnable);
    NEED(ActivityDisable);
    MAY(ActivityEnableRuntimeApi);
    MAY(ActivityEnableDriverApi);
    NEED(ActivityFlushAll);
    NEED(ActivityGetNextRecord);
    NEED(ActivityGetNumDroppedRecords);
    NEED(ActivitySetAttribute);
    NEED(SetThreadIdType);
    NEED(GetTimestamp);
    NEED(GetCallbackName);
    NEED(GetResultString);
    MAY(ActivityRegisterTimestampCallback);
    MAY(Finalize);
    MAY(Subscribe);
    MAY(Unsubscribe);
    MAY(EnableCallback);
    MAY(GetDeviceId);
#undef NEED
#undef MAY
    if (!ok) return "the CUPTI library lacks functions that are needed";
    if (found.GetVersion(&found.version) != ABI_SUCCESS) return "the CUPTI library does not tell its version";
    if (found.version < ABI_VERSION_11_8) return "the CUPTI library is older than that of CUDA 11.8";
    *cupti = found;
    return NULL;
}

int driver_find(struct driver *driver) {
    if (driver->handle != NULL) return 1;
    struct search search = {.prefix = "libcuda.so"};
    if (!dl_iterate_phdr(visit, &search)) return 0;
    void *handle = dlopen(search.path, RTLD_NOW | RTLD_NOLOAD);
    if (handle == NULL) return 0;
    struct driver found = {.handle = handle};
    int ok = 1;
#define NEED(field, symbol) ok &= bind_symbol(handle, symbol, &found.field, 1)
    NEED(DeviceGetCount, "cuDeviceGetCount");
    NEED(DeviceGet, "cuDeviceGet");
    NEED(DeviceGetName, "cuDeviceGetName");
    NEED(DeviceTotalMem, "cuDeviceTotalMem_v2");
    NEED(DeviceGetPCIBusId, "cuDeviceGetPCIBusId");
    NEED(DevicePrimaryCtxGetState, "cuDevicePrimaryCtxGetState");
    NEED(DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
    NEED(DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
    NEED(CtxGetCurrent, "cuCtxGetCurrent");
    NEED(CtxPushCurrent, "cuCtxPushCurrent_v2");
    NEED(CtxPopCurrent, "cuCtxPopCurrent_v2");
    NEED(CtxSynchronize, "cuCtxSynchronize");
#undef NEED
    bind_symbol(handle, "cuThreadExchangeStreamCaptureMode", &found.ThreadExchangeStreamCaptureMode, 0);
    if (!ok) return 0;
    *driver = found;
    return 1;
}

int driver_initialised(const struct driver *driver) {
    int count = 0;
    /* CUDA_ERROR_NOT_INITIALIZED (3) before cuInit. */
    return driver->handle != NULL && driver->DeviceGetCount(&count) == 0;
}
