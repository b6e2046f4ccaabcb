/* The engines that there are: one row each, by the name that --device takes. Whatever a caller wants to know of a
 * device stands in the row or in the engine's px_engine_ops, so that no name is compared anywhere else. */
#ifndef PX_REGISTRY_H
#define PX_REGISTRY_H

#include "engine.h"

enum { PX_DEVICE_ABOUT_BYTES = 512 };

typedef struct px_engine_entry {
    const char *name;  /* "cpu"; where numbered also "name:k" */
    const char *about; /* for a person; NULL: the processor, or the devices' own names */
    int on_host;       /* 1: there on every machine. 0: loaded when asked for, as long as its devices work */
    int numbered;      /* 1: a machine may have several of these devices, k from 0 */
    int automatic;     /* 1: `auto` takes it, where no earlier one of these opens */
    /* Opens device `ordinal`: loads what is needed and tries it. about [PX_DEVICE_ABOUT_BYTES]: what was found, ""
     * where there is nothing to say. PX_ERR_DEVICE: the reason and the remedy. */
    px_status (*open)(int ordinal, const px_engine_ops **ops, char *about);
} px_engine_entry;

extern const px_engine_entry px_engine_entries[];
extern const size_t px_engine_entry_count;

/* `device`, or where none was given (NULL) the one that a command then uses. */
const char *px_device_or_default(const char *device);
/* The device whose peaks are those of every engine that computes on the processor. */
const char *px_device_of_host(void);
/* 1: "auto". */
int px_device_is_auto(const char *device);
/* 1: the name leaves open which of several devices it is: "auto", or a numbered engine without a number. */
int px_device_is_open(const char *device);
/* Every name that --device takes, with `between` between them and `last` before the last one; "name:k" too where
 * with_numbers. */
void px_device_names(const char *between, const char *last, int with_numbers, char *names, size_t bytes);
/* Such a name with number k, into name [bytes]; for "auto" the first numbered engine's. */
void px_device_numbered(const char *device, int k, char *name, size_t bytes);
/* Records that there is no such device; PX_ERR_DEVICE. */
px_status px_device_unknown(const char *device);

#endif
