// A plan as one JSON object, for programs.
#pragma once

#include <string>

#include "trainer/forecast/forecast.h"
#include "trainer/forecast/job_forecast.h"

namespace deduce {

// One line: the numbers of ForecastText under the keys layout, stages, proof, memory, timeline,
// step, cluster, reinforcement_learning (if there is any), assumptions and published. Seconds,
// bytes, tokens and FLOPs, never multiples of them.
std::string ForecastJson(const Forecast& plan, const JobForecast& job);

}  // namespace deduce
