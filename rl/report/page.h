// The report as one HTML page: headline and table of stages as markup, everything else as embedded
// data for the page's script.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rl/report/reported_run.h"

namespace deduce {

// Text as HTML content or attribute value: & < > " ' escaped.
std::string EscapeHtml(absl::string_view text);

// A number for reading: four significant digits, no exponent between 1e-3 and 1e6.
std::string FormatNumber(double value);

// The whole page, UTF-8. It loads nothing: a content security policy inside it forbids every
// request.
std::string RenderPage(const std::vector<ReportedRun>& runs);

}  // namespace deduce
