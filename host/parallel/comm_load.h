/* Loads the module that speaks MPI. Internal to host/parallel. */
#ifndef PX_COMM_LOAD_H
#define PX_COMM_LOAD_H

#include "comm.h"

px_status px_comm_load_mpi(const px_ranks *ranks, const px_comm_ops **ops, void **state);

#endif
