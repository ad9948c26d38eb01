// Signals that ask a run to save and stop.
#pragma once

#include <cstdint>
#include <string>

namespace deduce {

// From now on SIGINT, SIGTERM, SIGHUP and SIGUSR1 (which Open MPI's mpirun passes on to all ranks)
// ask this process to stop; those that were ignored at its start, as nohup has it, stay ignored.
// The first is answered by one line on standard error, unless `quiet`. Another one ends the process
// at once with exit code 1, but for those of the same second and SIGUSR1: launchers and their jobs
// signal a rank more than once. SIGPIPE is ignored: whoever reads standard error may leave.
void CatchStopSignals(bool quiet);

// The signal that has asked; 0 if none has.
int StopSignal();

// Names the work that the line says is finished first: the step that is next or under way.
void SetStepUnderWay(int64_t step);

// "SIGINT"
std::string SignalName(int signal);

}  // namespace deduce
