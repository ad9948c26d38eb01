# shellcheck shell=bash
# Sourced by the other scripts: what a build and `mpirun` need in the environment.
PATH="$PWD/.deps/tools/bin:$PATH"  # a newer CMake than the system's, where setup.sh had to install one
# Open MPI refuses to run as root unless told twice; containers and CI usually are root.
export PATH OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMP_NUM_THREADS=1  # ranks share the cores; threads of a rank are the config's layout.threads_per_rank
