/* CUPTI and the CUDA driver, found in this process and called through pointers. */
#ifndef INFERSCOPE_LIBRARY_H
#define INFERSCOPE_LIBRARY_H

#include "cupti_abi.h"

/* CUPTI's functions; all non-NULL after cupti_find succeeded, but those marked optional. */
struct cupti {
    void *handle;
    char path[512]; /* where it was found */
    uint32_t version;
    int (*GetVersion)(uint32_t *);
    int (*ActivityRegisterCallbacks)(abi_buffer_request, abi_buffer_complete);
    int (*ActivityEnable)(uint32_t kind);
    int (*ActivityDisable)(uint32_t kind);
    int (*ActivityEnableRuntimeApi)(uint32_t cbid, uint8_t enable); /* optional: 11.8 and up */
    int (*ActivityEnableDriverApi)(uint32_t cbid, uint8_t enable);  /* optional */
    int (*ActivityFlushAll)(uint32_t flag);
    int (*ActivityGetNextRecord)(uint8_t *buffer, size_t valid, struct abi_record **record);
    int (*ActivityGetNumDroppedRecords)(void *context, uint32_t stream, size_t *dropped);
    int (*ActivitySetAttribute)(uint32_t attribute, size_t *size, void *value);
    int (*SetThreadIdType)(uint32_t type);
    int (*GetTimestamp)(uint64_t *timestamp);
    int (*GetCallbackName)(uint32_t domain, uint32_t cbid, const char **name);
    int (*GetResultString)(int result, const char **text);
    int (*ActivityRegisterTimestampCallback)(uint64_t (*clock)(void)); /* optional */
    int (*Finalize)(void);                                             /* optional */
    int (*Subscribe)(void **subscriber, abi_callback_function, void *user); /* optional, as the three below */
    int (*Unsubscribe)(void *subscriber);
    int (*EnableCallback)(uint32_t enable, void *subscriber, uint32_t domain, uint32_t cbid);
    int (*GetDeviceId)(void *context, uint32_t *device);
};

/* The driver's functions. */
struct driver {
    void *handle;
    int (*DeviceGetCount)(int *);
    int (*DeviceGet)(int *device, int ordinal);
    int (*DeviceGetName)(char *name, int length, int device);
    int (*DeviceTotalMem)(size_t *bytes, int device);
    int (*DeviceGetPCIBusId)(char *id, int length, int device);
    int (*DevicePrimaryCtxGetState)(int device, unsigned *flags, int *active);
    int (*DevicePrimaryCtxRetain)(void **context, int device);
    int (*DevicePrimaryCtxRelease)(int device);
    int (*CtxGetCurrent)(void **context);
    int (*CtxPushCurrent)(void *context);
    int (*CtxPopCurrent)(void **context);
    int (*CtxSynchronize)(void);
    int (*ThreadExchangeStreamCaptureMode)(int *mode); /* optional */
};

/* Finds CUPTI: the copy that is already in this process, else the candidates in
 * order (NULL-terminated). Opens nothing twice and never closes: a second copy of
 * CUPTI would collide with the first. Returns NULL or a static sentence. */
const char *cupti_find(struct cupti *cupti, const char *const *candidates);

/* Binds the driver if the process has it loaded; loads nothing. Returns 1 when bound. */
int driver_find(struct driver *driver);

/* 1 when cuInit has been called by somebody: asking does not initialise. */
int driver_initialised(const struct driver *driver);

#endif
