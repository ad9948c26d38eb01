// The assumptions behind a plan's numbers, so that they can be judged.
#pragma once

#include <string>
#include <vector>

#include "trainer/forecast/forecast.h"
#include "trainer/forecast/job_forecast.h"

namespace deduce {

// A sentence each, for what this plan rests on.
std::vector<std::string> ForecastAssumptions(const Forecast& plan, const JobForecast& job);

// A sentence each, for what a run of this config does that the plan does not count.
std::vector<std::string> ForecastLeavesOut(const Forecast& plan, const JobForecast& job);

}  // namespace deduce
