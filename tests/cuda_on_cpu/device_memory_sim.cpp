/* Kernel tests in the simulator: device memory is malloc's, exact to the byte, so that the address sanitizer sees its
 * ends. */
#include "control.h"
#include "device_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
enum { GUARD = 0 };
#else
enum { GUARD = 64 };
#endif

/* What is allocated, and what is in it while the curtain is drawn. */
struct allocation {
    size_t bytes;
    std::vector<unsigned char> hidden;
};
static std::map<void *, allocation> &allocations = *new std::map<void *, allocation>;

static void curtain(bool drawn)
{
    for (auto &a : allocations) {
        unsigned char *p = static_cast<unsigned char *>(a.first);
        if (drawn) {
            a.second.hidden.assign(p, p + a.second.bytes);
            std::memset(p, 0xff, a.second.bytes);
        } else {
            std::memcpy(p, a.second.hidden.data(), a.second.bytes);
        }
    }
}

bool device_works(const char **) { return true; }

void *device_alloc(size_t bytes)
{
    void *p = std::malloc(bytes ? bytes : 1);
    if (!p) std::abort();
    std::memset(p, 0xff, bytes);
    if (bytes) allocations[p] = {bytes, {}};
    px_sim::set_curtain(curtain);
    return p;
}

void device_free(void *p)
{
    allocations.erase(p);
    std::free(p);
}

void device_write(void *to, const void *from, size_t bytes)
{
    if (bytes) std::memcpy(to, from, bytes);
}

void device_read(void *to, const void *from, size_t bytes)
{
    if (bytes) std::memcpy(to, from, bytes);
}

cudaError_t device_wait() { return cudaSuccess; /* launches run at once */ }

const char *device_fault() { return px_sim::last_fault(); }

size_t device_guard() { return GUARD; }

/* The thread sanitizer sees races in any order, and takes its time: two orders are enough there. PX_SIM_SEED: another
 * seed. */
#if defined(__SANITIZE_THREAD__)
static const px_sim::schedule orders[] = {px_sim::FORWARD, px_sim::STICKY}, overlapping = px_sim::STICKY;
#else
static const px_sim::schedule orders[] = {px_sim::FORWARD, px_sim::REVERSE, px_sim::DEPTH_FIRST,
                                          px_sim::DEPTH_FIRST_REVERSE, px_sim::STICKY},
                              overlapping = px_sim::REVERSE;
#endif

px_stream device_stream() { return {nullptr, px_sim::control().order == overlapping}; }

int device_schedules() { return static_cast<int>(sizeof orders / sizeof orders[0]); }

void device_set_schedule(int k)
{
    const char *seed = std::getenv("PX_SIM_SEED");
    px_sim::control().order = orders[k];
    px_sim::control().seed = seed ? std::strtoull(seed, nullptr, 10) : 1;
    px_sim::control().resident = orders[k] == px_sim::FORWARD || orders[k] == px_sim::REVERSE ? 1 : 2;
}

const char *device_schedule() { return px_sim::schedule_name(px_sim::control().order); }

unsigned device_cluster_blocks() { return px_sim::control().cluster_limit; }

int device_multiprocessors() { return 132; }

bool device_has_warpgroups() { return true; }
size_t device_shared_bytes() { return px_sim::control().shared_limit; }
