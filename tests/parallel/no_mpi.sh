#!/bin/bash
# A build without MPI that mpirun starts: the program alone, without perplex-mpi.so beside it. It says what it lacks, and which package has it.
. "$(dirname "$0")/../cli/lib.sh"
command -v mpirun >/dev/null || { skip parallel_no_mpi "there is no mpirun here: apt-get install openmpi-bin libopenmpi-dev"; exit 77; }
for name in $(env | grep -oE '^(SLURM|PMIX|PMI|OMPI)_[A-Z_]*') PERPLEX_MPI_MODULE; do unset "$name"; done
unset RANK WORLD_SIZE LOCAL_RANK PERPLEX_JOB MASTER_ADDR MASTER_PORT
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PERPLEX_BOOTSTRAP_DIR=$WORK/meet
make_text text.txt 200
mkdir bin
cp "$PERPLEX" bin/perplex
PERPLEX=$PWD/bin/perplex
SMALL=(--data text.txt --hidden 8 --batch 16 --steps 8 --max-steps 4 --threads 1 --no-report)
# ranks ARGS...: two of them; status and output as of run.
ranks() {
    timeout 1200 mpirun -n 2 bin/perplex train "${SMALL[@]}" "$@" >"$OUT" 2>"$ERR" </dev/null
    status=$?
}
ranks --run fast --reduce fast
done_with "--reduce fast needs MPI: status 2" 2
must "it says that this build has none, and which packages have it" grep -q 'needs MPI, and this perplex was built without; install openmpi-bin and libopenmpi-dev and build again, or give --reduce tree' "$ERR"
must "and not to start by mpirun, which was done" test -z "$(grep 'start by mpirun' "$ERR")"
ranks --run asked --bootstrap mpi
done_with "so does --bootstrap mpi" 2
must "which says so, too" grep -q 'built without MPI.*libopenmpi-dev' "$ERR"
RANK=0 WORLD_SIZE=2 run train "${SMALL[@]}" --run alone --bootstrap mpi
must "also where no mpirun started it" grep -q 'built without MPI.*libopenmpi-dev' "$ERR"
ranks --run tree
done_with "with --reduce tree two ranks train without it" 0
finish
