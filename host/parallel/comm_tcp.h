/* What carries a px_comm where there is no MPI: connections to rank 0. Internal to host/parallel. */
#ifndef PX_COMM_TCP_H
#define PX_COMM_TCP_H

#include "bootstrap.h"
#include "comm.h"

/* Meets the other ranks by TCP or files, as the bootstrap says. Failures are px_bootstrap_run's. */
px_status px_comm_meet_tcp(const px_bootstrap *bootstrap, const px_comm_ops **ops, void **state);

#endif
