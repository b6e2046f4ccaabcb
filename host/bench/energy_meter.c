/* Joules of the repeats of one case (energy_meter.h). */
#include "energy_meter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static px_status count(px_energy_meter *m, double *joules)
{
    return m->engine ? m->engine->ops->energy(m->engine, joules) : px_energy_read(m->host, joules);
}

static void give_up(px_energy_meter *m)
{
    snprintf(m->reason, sizeof m->reason, "%s", px_error_message());
    m->counter[0] = 0;
}

void px_energy_meter_open(px_energy_meter *m, px_engine *engine, int on_host)
{
    memset(m, 0, sizeof *m);
    if (on_host) {
        if (px_energy_open(&m->host) != PX_OK) give_up(m);
        if (m->host) snprintf(m->counter, sizeof m->counter, "%s", px_energy_counters(m->host));
    } else if (engine->ops->energy) {
        m->engine = engine;
        snprintf(m->counter, sizeof m->counter, "NVML");
        if (count(m, &m->before) != PX_OK) give_up(m);
    } else {
        snprintf(m->reason, sizeof m->reason, "this device has no energy counter");
    }
}

void px_energy_meter_close(px_energy_meter *m)
{
    px_energy_close(m->host);
    memset(m, 0, sizeof *m);
}

void px_energy_meter_begin(px_energy_meter *m)
{
    if (m->counter[0] && count(m, &m->before) != PX_OK) give_up(m);
}

void px_energy_meter_end(px_energy_meter *m, double tokens)
{
    double now;
    if (!m->counter[0]) return;
    if (count(m, &now) != PX_OK) {
        give_up(m);
        return;
    }
    m->joules += now - m->before;
    m->tokens += tokens;
}

void px_energy_meter_forget(px_energy_meter *m) { m->joules = m->tokens = 0; }

int px_energy_meter_has(const px_energy_meter *m) { return m->counter[0] && m->tokens > 0; }

double px_energy_meter_per_token(const px_energy_meter *m)
{
    return px_energy_meter_has(m) ? m->joules / m->tokens : NAN;
}
