/* Joules of what one case computes: of the device that counts them itself, else of the processor. */
#ifndef PX_ENERGY_METER_H
#define PX_ENERGY_METER_H

#include "energy.h"
#include "engine.h"

typedef struct px_energy_meter {
    px_engine *engine; /* counts by itself; NULL: the processor does */
    px_energy *host;
    double before, joules, tokens;
    char counter[128]; /* what is counted; "" where nothing is */
    char reason[256];  /* why nothing is */
} px_energy_meter;

/* A device without a counter is no failure: reason says why. Close it before the engine is destroyed. */
void px_energy_meter_open(px_energy_meter *meter, px_engine *engine, int on_host);
void px_energy_meter_close(px_energy_meter *meter);
/* Around a repeat of so many tokens; the device is waited for. */
void px_energy_meter_begin(px_energy_meter *meter);
void px_energy_meter_end(px_energy_meter *meter, double tokens);
void px_energy_meter_forget(px_energy_meter *meter);            /* drops the repeats */
int px_energy_meter_has(const px_energy_meter *meter);          /* 1: tokens and their energy were counted */
double px_energy_meter_per_token(const px_energy_meter *meter); /* joules; NaN where nothing was counted */

#endif
