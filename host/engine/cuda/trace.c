/* NVTX ranges: see trace.h. */
#include "trace.h"

#include <nvtx3/nvToolsExt.h>
#include <pthread.h>

static nvtxDomainHandle_t domain;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_domain(void) { domain = nvtxDomainCreateA("perplex"); }

void px_trace_push(const char *name, uint32_t colour)
{
    pthread_once(&once, make_domain);
    nvtxEventAttributes_t range = {
        .version = NVTX_VERSION,
        .size = NVTX_EVENT_ATTRIB_STRUCT_SIZE,
        .colorType = NVTX_COLOR_ARGB,
        .color = 0xff000000u | colour,
        .messageType = NVTX_MESSAGE_TYPE_ASCII,
        .message.ascii = name,
    };
    nvtxDomainRangePushEx(domain, &range);
}

void px_trace_pop(void) { nvtxDomainRangePop(domain); }
