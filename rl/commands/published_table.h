// A plan's numbers beside published ones.
#pragma once

#include <string>
#include <vector>

#include "trainer/forecast/forecast.h"
#include "trainer/forecast/job_forecast.h"

namespace deduce {

struct PublishedRow {
  std::string name;
  std::string unit;
  double published = 0;
  double predicted = 0;
  bool calibrated = false;  // the published number is what the costs were derived from
  bool is_limit = false;    // published is an upper bound
  // (predicted - published) / published, in percent.
  double error_percent() const { return 100 * (predicted - published) / published; }
};

// A row for each number that plan.calibration and plan.published give. Times by kind and the bubble
// are those of the rank that was measured, or means over the ranks of a pipeline.
std::vector<PublishedRow> PublishedTable(const Forecast& plan, const JobForecast& job);

// Means over the ranks of a pipeline, in seconds.
WorkTimes MeanTimes(const Timeline& timeline);
double MeanBubble(const Timeline& timeline);

// Bytes of the rank that needs most.
double PeakBytes(const std::vector<RankBytes>& ranks);

}  // namespace deduce
