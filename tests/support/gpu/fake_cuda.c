/* A CUDA driver in the host's memory, so that the real pycuda runs where there is no GPU.
 *
 * It is there to catch mistakes in who owns memory and in what order work is done; it says nothing about speed.
 * - A stream is a queue. Nothing in it runs before somebody synchronises; then streams take turns at random (seeded),
 *   held back by events alone: an order that was not asked for will, with some seed, not be kept.
 * - "Device" memory is real memory of its own, filled with 0xA5. A copy that leaves its allocation is refused.
 * - Asynchronous copies from or to memory that is not page-locked are counted, as is everything that is not freed.
 * - Any function can be made to fail at its n-th call; errors from 700 on stay, as those of a lost device do.
 * Functions that pycuda refers to and that are not here are added by `fake_cuda.py`: they answer "not supported".
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_CONTEXT = 201,
    NOT_READY = 600,
    STICKY = 700
};
enum { DEVICE = 1, PAGE_LOCKED = 2 };

typedef uintptr_t Address;

/* ---- what tests ask and arrange ---- */

static char trace[1 << 20]; /* one line for each piece of work, when it is given and when it is done */
static size_t trace_length;
static long pageable_copies, refused_copies, live_allocations, live_streams, live_events, host_to_device_bytes;
static char failing[64];
static int failing_in, failing_times, failing_code, lost;
static uint32_t seed = 1;

static void note(const char *what, int stream, long bytes) {
    int left = (int)(sizeof trace - trace_length);
    int length = snprintf(trace + trace_length, left, "%s %d %ld\n", what, stream, bytes);
    if (length < left) trace_length += length;
}

const char *fake_cuda_trace(void) { return trace; }
void fake_cuda_clear_trace(void) { trace_length = 0; trace[0] = 0; }
void fake_cuda_seed(uint32_t value) { seed = value ? value : 1; }
void fake_cuda_fail(const char *function, int call, int code, int times) {
    snprintf(failing, sizeof failing, "%s", function);
    failing_in = call;
    failing_times = times;
    failing_code = code;
    lost = 0;
}
long fake_cuda_count(const char *what) {
    if (!strcmp(what, "pageable copies")) return pageable_copies;
    if (!strcmp(what, "refused copies")) return refused_copies;
    if (!strcmp(what, "allocations")) return live_allocations;
    if (!strcmp(what, "streams")) return live_streams;
    if (!strcmp(what, "events")) return live_events;
    if (!strcmp(what, "bytes to device")) return host_to_device_bytes;
    return -1;
}

/* ---- contexts: one primary context, current or not in each thread ---- */

static int initialised, a_context;
static __thread int depth;

static int checked(const char *function) {
    if (lost) return lost;
    if (strcmp(failing, function)) return SUCCESS;
    if (--failing_in <= 0 && failing_times-- > 0) {
        if (failing_code >= STICKY) lost = failing_code;
        return failing_code;
    }
    return SUCCESS;
}

#define FAILS                                  \
    do {                                       \
        int code = checked(__func__);          \
        if (code != SUCCESS) return code;      \
    } while (0)
#define NEEDS_CONTEXT                          \
    do {                                       \
        if (!initialised) return NOT_INITIALIZED; \
        if (depth <= 0) return INVALID_CONTEXT; \
        FAILS;                                 \
    } while (0)

int cuInit(unsigned flags) {
    FAILS;
    if (getenv("FAKE_CUDA_NO_DEVICE")) return NO_DEVICE;
    initialised = 1;
    return SUCCESS;
}
int cuDriverGetVersion(int *version) { *version = 12060; return SUCCESS; }
int cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return ordinal ? INVALID_VALUE : SUCCESS; }
int cuDeviceGetName(char *name, int length, int device) { snprintf(name, length, "Orin (fake)"); return SUCCESS; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 8ull << 30; return SUCCESS; }
int cuDeviceComputeCapability(int *major, int *minor, int device) { *major = 8; *minor = 7; return SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = 1; return SUCCESS; }
int cuDevicePrimaryCtxRetain(void **context, int device) { FAILS; *context = &a_context; return SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int device) { return SUCCESS; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { FAILS; *context = &a_context; depth++; return SUCCESS; }
int cuCtxAttach(void **context, unsigned flags) { *context = &a_context; return SUCCESS; }
int cuCtxDetach(void *context) { depth--; return SUCCESS; }
int cuCtxDestroy_v2(void *context) { depth--; return SUCCESS; }
int cuCtxPushCurrent_v2(void *context) { depth++; return SUCCESS; }
int cuCtxPopCurrent_v2(void **context) {
    if (depth <= 0) return INVALID_CONTEXT;
    depth--;
    if (context) *context = &a_context;
    return SUCCESS;
}
int cuCtxGetDevice(int *device) { *device = 0; return depth > 0 ? SUCCESS : INVALID_CONTEXT; }
int cuCtxGetApiVersion(void *context, unsigned *version) { *version = 3020; return SUCCESS; }

/* ---- memory ---- */

typedef struct Allocation {
    Address address;
    size_t bytes;
    int kind;
    struct Allocation *next;
} Allocation;
static Allocation *allocations;
static size_t device_bytes;

static Allocation *holding(Address address, size_t bytes, int kind) {
    for (Allocation *a = allocations; a; a = a->next)
        if ((a->kind & kind) && address >= a->address && address + bytes <= a->address + a->bytes) return a;
    return NULL;
}

static int allocate(Address *address, size_t bytes, int kind) {
    if (!bytes) return INVALID_VALUE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return OUT_OF_MEMORY;
    memset(memory, 0xA5, bytes);
    Allocation *a = malloc(sizeof *a);
    *a = (Allocation){(Address)memory, bytes, kind, allocations};
    allocations = a;
    *address = a->address;
    live_allocations++;
    if (kind == DEVICE) device_bytes += bytes;
    return SUCCESS;
}

static int release(Address address, int kind) {
    for (Allocation **at = &allocations; *at; at = &(*at)->next)
        if ((*at)->address == address && (*at)->kind == kind) {
            Allocation *a = *at;
            *at = a->next;
            if (kind == DEVICE) device_bytes -= a->bytes;
            munmap((void *)a->address, a->bytes);
            free(a);
            live_allocations--;
            return SUCCESS;
        }
    return INVALID_VALUE;
}

/* For the execution context: may a kernel work here? */
int fake_cuda_reachable(Address address, size_t bytes) { return holding(address, bytes, DEVICE | PAGE_LOCKED) != NULL; }

int cuMemAlloc_v2(Address *address, size_t bytes) { NEEDS_CONTEXT; return allocate(address, bytes, DEVICE); }
int cuMemFree_v2(Address address) { return release(address, DEVICE); }
int cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
    NEEDS_CONTEXT;
    return allocate((Address *)address, bytes, PAGE_LOCKED);
}
int cuMemFreeHost(void *address) { return release((Address)address, PAGE_LOCKED); }
int cuMemHostGetDevicePointer_v2(Address *device, void *host, unsigned flags) {
    NEEDS_CONTEXT;
    *device = (Address)host;
    return holding((Address)host, 1, PAGE_LOCKED) ? SUCCESS : INVALID_VALUE;
}
int cuMemHostGetFlags(unsigned *flags, void *host) { *flags = 0; return SUCCESS; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    NEEDS_CONTEXT;
    *total = 8ull << 30;
    *free_bytes = *total - device_bytes;
    return SUCCESS;
}

/* ---- streams and events ---- */

typedef struct Event {
    int asked, happened; /* how often it was recorded, and how often that was reached */
    int destroyed;       /* streams may still refer to it */
} Event;
typedef enum { COPY, CALL, RECORD, WAIT } Kind;
typedef struct Job {
    Kind kind;
    void *to;
    const void *from;
    size_t bytes;
    void (*function)(void *);
    void *argument;
    Event *event;
    int generation;
    struct Job *next;
} Job;
typedef struct Stream {
    int number;
    Job *head, *tail;
    struct Stream *next;
} Stream;
static Stream default_stream;
static Stream *streams = &default_stream;
static int streams_made;

static Stream *stream_of(void *handle) { return handle ? handle : &default_stream; }

static void enqueue(Stream *stream, Job job, const char *what) {
    Job *copy = malloc(sizeof *copy);
    *copy = job;
    copy->next = NULL;
    if (stream->tail) stream->tail->next = copy; else stream->head = copy;
    stream->tail = copy;
    note(what, stream->number, (long)job.bytes);
}

static int is_blocked(Stream *stream) {
    Job *job = stream->head;
    return job->kind == WAIT && job->event->happened < job->generation;
}

static void run_first(Stream *stream) {
    Job *job = stream->head;
    stream->head = job->next;
    if (!stream->head) stream->tail = NULL;
    if (job->kind == COPY) memmove(job->to, job->from, job->bytes);
    if (job->kind == CALL) job->function(job->argument);
    if (job->kind == RECORD) job->event->happened = job->generation;
    if (job->kind == COPY) note("copied", stream->number, (long)job->bytes);
    if (job->kind == CALL) note("ran", stream->number, 0);
    free(job);
}

/* One piece of work of a stream chosen at random among those that can go on; 0 where none can. */
static int run_one(void) {
    int ready = 0;
    for (Stream *s = streams; s; s = s->next) ready += s->head && !is_blocked(s);
    if (!ready) return 0;
    seed = seed * 1664525u + 1013904223u;
    int chosen = (int)((seed >> 16) % (unsigned)ready);
    for (Stream *s = streams; s; s = s->next)
        if (s->head && !is_blocked(s) && chosen-- == 0) {
            run_first(s);
            return 1;
        }
    return 0;
}

static int run_until_empty(Stream *stream) {
    while (stream->head)
        if (!run_one()) return INVALID_VALUE; /* waits for what nobody will do */
    return SUCCESS;
}

/* A lost device does nothing any more. */
static void forget(Stream *stream) {
    while (stream->head) {
        Job *job = stream->head;
        stream->head = job->next;
        free(job);
    }
    stream->tail = NULL;
}

void fake_cuda_call(void *stream, void (*function)(void *), void *argument) {
    enqueue(stream_of(stream), (Job){.kind = CALL, .function = function, .argument = argument}, "call");
}

int cuStreamCreate(void **handle, unsigned flags) {
    NEEDS_CONTEXT;
    Stream *stream = calloc(1, sizeof *stream);
    *stream = (Stream){.number = ++streams_made, .next = streams};
    streams = stream;
    *handle = stream;
    live_streams++;
    return SUCCESS;
}
int cuStreamDestroy_v2(void *handle) {
    Stream *stream = handle;
    if (lost) forget(stream); else run_until_empty(stream);
    for (Stream **at = &streams; *at; at = &(*at)->next)
        if (*at == stream) { *at = stream->next; break; }
    free(stream);
    live_streams--;
    return SUCCESS;
}
int cuStreamSynchronize(void *handle) {
    NEEDS_CONTEXT;
    note("synchronise", stream_of(handle)->number, 0);
    return run_until_empty(stream_of(handle));
}
int cuStreamQuery(void *handle) { NEEDS_CONTEXT; return stream_of(handle)->head ? NOT_READY : SUCCESS; }
int cuStreamWaitEvent(void *handle, void *event, unsigned flags) {
    NEEDS_CONTEXT;
    enqueue(stream_of(handle), (Job){.kind = WAIT, .event = event, .generation = ((Event *)event)->asked}, "wait");
    return SUCCESS;
}
int cuCtxSynchronize(void) {
    NEEDS_CONTEXT;
    while (run_one()) {}
    return SUCCESS;
}

int cuEventCreate(void **handle, unsigned flags) {
    NEEDS_CONTEXT;
    *handle = calloc(1, sizeof(Event));
    live_events++;
    return SUCCESS;
}
int cuEventDestroy_v2(void *handle) {
    ((Event *)handle)->destroyed = 1; /* kept: streams may still refer to it */
    live_events--;
    return SUCCESS;
}
int cuEventRecord(void *handle, void *stream) {
    NEEDS_CONTEXT;
    Event *event = handle;
    enqueue(stream_of(stream), (Job){.kind = RECORD, .event = event, .generation = ++event->asked}, "record");
    return SUCCESS;
}
int cuEventSynchronize(void *handle) {
    NEEDS_CONTEXT;
    Event *event = handle;
    int wanted = event->asked;
    note("synchronise", 0, 0);
    while (event->happened < wanted)
        if (!run_one()) return INVALID_VALUE;
    return SUCCESS;
}
int cuEventQuery(void *handle) {
    NEEDS_CONTEXT;
    Event *event = handle;
    return event->happened < event->asked ? NOT_READY : SUCCESS;
}

/* ---- copies ---- */

static int copy(Address to, Address from, size_t bytes, void *stream, int to_kind, int from_kind, Address host,
                const char *what) {
    if ((to_kind && !holding(to, bytes, to_kind)) || (from_kind && !holding(from, bytes, from_kind))) {
        refused_copies++;
        return INVALID_VALUE;
    }
    if (host && !holding(host, bytes, PAGE_LOCKED)) pageable_copies++;
    if (from_kind == 0) host_to_device_bytes += (long)bytes;
    enqueue(stream_of(stream), (Job){.kind = COPY, .to = (void *)to, .from = (const void *)from, .bytes = bytes}, what);
    return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, void *stream) {
    NEEDS_CONTEXT;
    return copy(to, (Address)from, bytes, stream, DEVICE, 0, (Address)from, "copy-in");
}
int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, void *stream) {
    NEEDS_CONTEXT;
    return copy((Address)to, from, bytes, stream, 0, DEVICE, (Address)to, "copy-out");
}
int cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
    NEEDS_CONTEXT;
    int code = copy(to, (Address)from, bytes, NULL, DEVICE, 0, 0, "copy-in");
    return code ? code : run_until_empty(&default_stream);
}
int cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
    NEEDS_CONTEXT;
    int code = copy((Address)to, from, bytes, NULL, 0, DEVICE, 0, "copy-out");
    return code ? code : run_until_empty(&default_stream);
}

int cuGetErrorString(int code, const char **text) {
    switch (code) {
        case SUCCESS: *text = "no error"; break;
        case INVALID_VALUE: *text = "invalid argument"; break;
        case OUT_OF_MEMORY: *text = "out of memory"; break;
        case NOT_INITIALIZED: *text = "initialization error"; break;
        case NO_DEVICE: *text = "no CUDA-capable device is detected"; break;
        case INVALID_CONTEXT: *text = "invalid device context"; break;
        case 700: *text = "an illegal memory access was encountered"; break;
        case 719: *text = "unspecified launch failure"; break;
        default: *text = "an error of the fake driver"; break;
    }
    return SUCCESS;
}
