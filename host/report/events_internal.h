/* Between events_door.c and events.c, which is there only with protobuf-c and ISA-L. */
#ifndef PX_EVENTS_INTERNAL_H
#define PX_EVENTS_INTERNAL_H

#include "observer.h"

const px_run_observer *px_events_new(void);
void px_events_delete(const px_run_observer *observer);

#endif
