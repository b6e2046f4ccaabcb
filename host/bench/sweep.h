/* Lists of values as a person writes them: "128..2048", "1,8,64", "cpu,cuda:0", "fp32,bf16". */
#ifndef PX_SWEEP_H
#define PX_SWEEP_H

#include <perplex/status.h>
#include <stdint.h>

enum { PX_SWEEP_MAX = 64, PX_SWEEP_MAX_DEVICES = 8 };

typedef struct px_sweep {
    int32_t count;
    int32_t value[PX_SWEEP_MAX];
    char text[PX_SWEEP_MAX_DEVICES][32]; /* devices only */
} px_sweep;

/* Names in the order of their values, ended by NULL. */
extern const char *const px_sweep_works[];

/* "a..b" is a, 2a, 4a ... up to b, and b itself; "a,b,c" is a list; both may be mixed. what is the whole argument, for
 * the message. PX_ERR_ARGUMENT says what is wrong: no number, out of range, backwards, twice the same. */
px_status px_sweep_numbers(const char *what, const char *text, int32_t min, int32_t max, px_sweep *sweep);
px_status px_sweep_names(const char *what, const char *text, const char *const *names, px_sweep *sweep);
/* Devices are only split here; whether they exist is the engine's to say. */
px_status px_sweep_devices(const char *text, px_sweep *sweep);

#endif
