// One run as a report shows it: its metrics and the samples it keeps.
#pragma once

#include <vector>

#include "rl/report/run_data.h"
#include "rl/report/samples.h"

namespace deduce {

struct ReportedRun {
  RunMetrics metrics;
  std::vector<StageSamples> samples;
};

}  // namespace deduce
