// Reads, before MPI is started, what the program that started this process (mpirun, prterun, srun)
// says about the job in variables of the environment.
#pragma once

#include <optional>

namespace deduce {

struct LaunchedRank {
  int rank = 0;
  int num_ranks = 0;       // in the job; 0: not said
  int num_ranks_here = 0;  // on this machine; 0: not said

  // A job of one has nobody to speak to.
  bool needs_mpi() const { return num_ranks != 1; }
  bool on_one_machine() const { return num_ranks > 0 && num_ranks_here == num_ranks; }
};

// Nothing if no launcher started this process: it is then the only one. Open MPI 3 to 5, PMIx
// (Slurm's too) and PMI 1 and 2 are known.
std::optional<LaunchedRank> ReadLaunchedRank();

}  // namespace deduce
