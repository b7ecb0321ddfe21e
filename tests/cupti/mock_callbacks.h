/* The callbacks of the CUPTI that mock_cupti.c stands for: one subscriber, callbacks at the entry and the exit of each
 * call on the thread that makes it, and inside a launch of the runtime those of the driver's launch function. */
#ifndef MOCK_CALLBACKS_H
#define MOCK_CALLBACKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CUpti_CallbackData. */
struct callback_data {
    int32_t site;
    const char *function;
    const void *parameters;
    void *returned;
    const char *symbol;
    void *context;
    uint32_t context_uid;
    uint64_t *correlation_data;
    uint32_t correlation;
};

typedef void (*callback_function)(void *user, int32_t domain, uint32_t cbid, const void *data);

enum { DRIVER_DOMAIN = 1, RUNTIME_DOMAIN = 2, CALLBACKS = 2048 };

static _Atomic(callback_function) subscribed;
static void *subscribed_user;
static _Atomic int callback_on[2][CALLBACKS]; /* driver, runtime */
static int subscription;

/* The driver's functions inside which the runtime launches, by the runtime's name. */
static const struct {
    const char *runtime, *driver;
    uint32_t cbid;
} inner[] = {{"cudaLaunchKernelExC", "cuLaunchKernelEx", 652}, {"cudaLaunchKernel", "cuLaunchKernel", 307}, {"cudaGraphLaunch", "cuGraphLaunch", 514}};

static const char *inner_name(uint32_t cbid) {
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        if (inner[i].cbid == cbid) return inner[i].driver;
    return NULL;
}

static void fire(int domain, uint32_t cbid, int site, uint32_t correlation, uint32_t device) {
    callback_function to = atomic_load(&subscribed);
    int result = 0;
    uint64_t own = 0;
    struct callback_data data = {.site = site, .returned = site == 1 ? &result : NULL, .context = (void *)(uintptr_t)(device + 1),
                                 .context_uid = device + 1, .correlation_data = &own, .correlation = correlation};
    if (to != NULL && cbid < CALLBACKS && atomic_load(&callback_on[domain - 1][cbid])) to(subscribed_user, domain, cbid, &data);
}

/* One call: waits for its recorded beginning and end by until, which gives the time. Returns when it had begun for all who
 * were told: what it makes the device do comes later. */
static uint64_t fire_call(int domain, uint32_t cbid, const char *name, uint32_t correlation, uint32_t device, uint64_t start, uint64_t end,
                          uint64_t (*until)(uint64_t)) {
    uint32_t nested = 0;
    for (size_t i = 0; domain == RUNTIME_DOMAIN && name != NULL && i < sizeof inner / sizeof inner[0] && nested == 0; i++)
        if (strncmp(name, inner[i].runtime, strlen(inner[i].runtime)) == 0) nested = inner[i].cbid;
    until(start);
    fire(domain, cbid, 0, correlation, device);
    if (nested != 0) fire(DRIVER_DOMAIN, nested, 0, correlation, device);
    uint64_t begun = until(0);
    until(end);
    if (nested != 0) fire(DRIVER_DOMAIN, nested, 1, correlation, device);
    fire(domain, cbid, 1, correlation, device);
    return begun;
}

static void forget_callbacks(void) {
    atomic_store(&subscribed, NULL);
    for (int i = 0; i < 2 * CALLBACKS; i++) atomic_store(&callback_on[i / CALLBACKS][i % CALLBACKS], 0);
}

/* MOCK_CUPTI_SUBSCRIBER=1: somebody else has subscribed already. */
int cuptiSubscribe(void **subscriber, callback_function function, void *user) {
    if (getenv("MOCK_CUPTI_SUBSCRIBER") != NULL || atomic_load(&subscribed) != NULL) return 39;
    subscribed_user = user;
    *subscriber = &subscription;
    atomic_store(&subscribed, function);
    return 0;
}

int cuptiUnsubscribe(void *subscriber) {
    if (subscriber != &subscription) return 1;
    forget_callbacks();
    return 0;
}

int cuptiEnableCallback(uint32_t enable, void *subscriber, uint32_t domain, uint32_t cbid) {
    if (subscriber != &subscription || domain < 1 || domain > 2 || cbid >= CALLBACKS) return 1;
    atomic_store(&callback_on[domain - 1][cbid], (int)enable);
    return 0;
}

int cuptiGetDeviceId(void *context, uint32_t *device) {
    *device = (uint32_t)(uintptr_t)context - 1;
    return context == NULL;
}

/* ---- a second thread of the application, which the first waits for -------- */

struct errand {
    void (*run)(void *);
    void *argument;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct errand *errand;
    int stop, running;
    pid_t owner; /* a forked child has no such thread */
    pthread_t thread;
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *help(void *unused) {
    (void)unused;
    pthread_mutex_lock(&helper.lock);
    for (;;) {
        while (helper.errand == NULL && !helper.stop) pthread_cond_wait(&helper.changed, &helper.lock);
        if (helper.errand == NULL) break;
        struct errand *errand = helper.errand;
        pthread_mutex_unlock(&helper.lock);
        errand->run(errand->argument);
        pthread_mutex_lock(&helper.lock);
        helper.errand = NULL;
        pthread_cond_broadcast(&helper.changed);
    }
    pthread_mutex_unlock(&helper.lock);
    return NULL;
}

/* Runs the errand on the other thread and waits for it; on this one where there is none to be had. */
static void send_helper(struct errand *errand) {
    pthread_mutex_lock(&helper.lock);
    if (!helper.running) {
        helper.running = pthread_create(&helper.thread, NULL, help, NULL) == 0;
        helper.owner = getpid();
    }
    int running = helper.running && helper.owner == getpid();
    if (running) {
        while (helper.errand != NULL) pthread_cond_wait(&helper.changed, &helper.lock);
        helper.errand = errand;
        pthread_cond_broadcast(&helper.changed);
        while (helper.errand == errand) pthread_cond_wait(&helper.changed, &helper.lock);
    }
    pthread_mutex_unlock(&helper.lock);
    if (!running) errand->run(errand->argument);
}

__attribute__((destructor)) static void dismiss_helper(void) {
    pthread_mutex_lock(&helper.lock);
    int running = helper.running && helper.owner == getpid();
    helper.stop = 1;
    pthread_cond_broadcast(&helper.changed);
    pthread_mutex_unlock(&helper.lock);
    if (running) pthread_join(helper.thread, NULL);
}

#endif
