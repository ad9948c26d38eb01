// A plan in words and tables, for a terminal.
#pragma once

#include <string>
#include <vector>

#include "trainer/forecast/forecast.h"
#include "trainer/forecast/job_forecast.h"

namespace deduce {

// Everything that `deduce plan` prints without --json.
std::string ForecastText(const Forecast& plan, const JobForecast& job);

// A rank's work from `begin` to `end`, a character for each of `width` equal parts of that time: f
// forward, b backward or input gradient, w weight gradient, = both at once, . waiting.
std::string TimelineRow(const std::vector<TimedStep>& steps, double begin, double end, int width);

}  // namespace deduce
