#include "rl/report/page.h"

#include <cmath>
#include <cstdio>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "rl/report/page_assets.h"
#include "rl/report/page_data.h"

namespace deduce {
namespace {

constexpr char kArrow[] = " <span class=\"arrow\">&rarr;</span> ";
constexpr int kRunColours = 8;  // that page/style.css has

// One logged value and the interval beside it.
struct Measured {
  double value;
  std::optional<std::pair<double, double>> interval;
};

// All values of a metric over some points, in order.
std::vector<Measured> Values(const std::vector<const StageMetrics*>& stages,
                             const std::string& metric) {
  std::vector<Measured> values;
  for (const StageMetrics* stage : stages) {
    for (const MetricPoint& point : stage->points) {
      const auto value = point.values.find(metric);
      if (value == point.values.end()) continue;
      values.push_back({value->second, std::nullopt});
      const auto interval = point.intervals.find(metric);
      if (interval != point.intervals.end()) values.back().interval = interval->second;
    }
  }
  return values;
}

std::string Show(const Measured& measured) {
  std::string text = FormatNumber(measured.value);
  if (measured.interval) {
    char range[64];
    std::snprintf(range, sizeof(range), "[%.3g, %.3g]", measured.interval->first,
                  measured.interval->second);
    absl::StrAppend(&text, " <span class=\"interval\">", range, "</span>");
  }
  return text;
}

std::string FirstToLast(const std::vector<Measured>& values) {
  if (values.empty()) return "";
  if (values.size() == 1) return Show(values.front());
  return absl::StrCat(Show(values.front()), kArrow, Show(values.back()));
}

// Names of the metrics of these stages that begin and end so.
std::vector<std::string> MetricsLike(const std::vector<const StageMetrics*>& stages,
                                     absl::string_view prefix, absl::string_view suffix) {
  std::set<std::string> names;
  for (const StageMetrics* stage : stages) {
    for (const MetricPoint& point : stage->points) {
      for (const auto& [name, value] : point.values) {
        if (absl::StartsWith(name, prefix) && absl::EndsWith(name, suffix)) names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

// The middle of "eval/TASK/REST".
std::string TaskOf(const std::string& metric) {
  const size_t begin = metric.find('/') + 1;
  return metric.substr(begin, metric.rfind('/') - begin);
}

std::string Duration(double seconds) {
  const int64_t whole = std::llround(seconds);
  if (seconds < 60) return absl::StrCat(FormatNumber(seconds), " s");
  if (whole < 3600) return absl::StrCat(whole / 60, " min ", whole % 60, " s");
  return absl::StrCat(whole / 3600, " h ", whole % 3600 / 60, " min");
}

std::string Swatch(size_t run) {
  return absl::StrCat("<i class=\"swatch run", run % kRunColours, "\"></i>");
}

std::string Headline(size_t index, const RunMetrics& run) {
  std::string rows;
  const auto row = [&](const std::string& label, const std::string& what,
                       const std::vector<Measured>& values) {
    absl::StrAppend(&rows, "<div><dt>", label, " <b>", EscapeHtml(what), "</b></dt><dd>",
                    FirstToLast(values), "</dd></div>\n");
  };
  std::vector<const StageMetrics*> all;
  double tokens = 0, seconds = 0;
  for (const StageMetrics& stage : run.stages) {
    all.push_back(&stage);
    tokens += stage.Tokens();
    seconds += stage.Seconds();
    const std::vector<Measured> rewards = Values({&stage}, "reward");
    if (!rewards.empty()) row("reward", stage.name, rewards);
  }
  for (const std::string& metric : MetricsLike(all, "eval/", "/pass@1")) {
    row("held-out accuracy", TaskOf(metric), Values(all, metric));
  }
  for (const std::string& metric : MetricsLike(all, "eval/", "/language_consistency")) {
    row("language consistency", TaskOf(metric), Values(all, metric));
  }
  return absl::StrCat("<article class=\"card\"><h3>", Swatch(index), EscapeHtml(run.name),
                      "</h3><p class=\"quiet\">", FormatNumber(tokens), " tokens in ",
                      Duration(seconds), " of steps &middot; <code>", EscapeHtml(run.directory),
                      "</code></p>\n<dl>", rows, "</dl></article>\n");
}

std::string StageRow(const std::string& run_cell, const StageMetrics& stage) {
  const std::string metric = Values({&stage}, "reward").empty() ? "loss" : "reward";
  const std::vector<Measured> progress = Values({&stage}, metric);
  std::vector<std::string> accuracies;
  for (const std::string& name : MetricsLike({&stage}, "eval/", "/pass@1")) {
    accuracies.push_back(
        absl::StrCat(EscapeHtml(TaskOf(name)), " ", Show(Values({&stage}, name).back())));
  }
  std::string hash;
  for (const MetricPoint& point : stage.points) {
    if (!point.weights_hash.empty()) hash = point.weights_hash;
  }
  return absl::StrCat(
      "<tr>", run_cell, "<td>", EscapeHtml(stage.name), "</td><td>", EscapeHtml(stage.kind),
      "</td><td class=\"number\">", stage.points.back().step, "</td><td class=\"number\">",
      FormatNumber(stage.Tokens()), "</td><td class=\"number\">", Duration(stage.Seconds()),
      "</td><td>", progress.empty() ? "" : absl::StrCat(metric, " ", FirstToLast(progress)),
      "</td><td>", absl::StrJoin(accuracies, "<br>"), "</td><td><code>", EscapeHtml(hash),
      "</code></td></tr>\n");
}

std::string StageTable(const std::vector<ReportedRun>& runs) {
  std::string rows;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::vector<StageMetrics>& stages = runs[i].metrics.stages;
    std::string run_cell = absl::StrCat("<th scope=\"rowgroup\" rowspan=\"", stages.size(), "\">",
                                        Swatch(i), EscapeHtml(runs[i].metrics.name), "</th>");
    for (const StageMetrics& stage : stages) {
      absl::StrAppend(&rows, StageRow(run_cell, stage));
      run_cell.clear();
    }
  }
  return absl::StrCat(
      "<div class=\"wide\"><table><thead><tr><th>Run</th><th>Stage</th><th>Kind</th>"
      "<th class=\"number\">Last step</th><th class=\"number\">Tokens</th>"
      "<th class=\"number\">Time</th><th>First &rarr; last</th>"
      "<th>Held-out accuracy, 95% interval</th><th>Weights hash</th></tr></thead><tbody>\n",
      rows, "</tbody></table></div>\n");
}

// The scripts fill #toolbar, #charts, #more and #samples.
constexpr char kBody[] = R"html(
<section aria-labelledby="curves-title"><h2 id="curves-title">Curves</h2>
<div id="toolbar" class="toolbar"></div>
<div id="charts" class="grid"></div>
<details id="more"><summary></summary><div class="grid"></div></details></section>
<section aria-labelledby="samples-title"><h2 id="samples-title">Samples</h2>
<div id="samples"></div></section>
</main>
<div id="tip" role="status" hidden></div>
<noscript><p>Curves and samples need JavaScript; the tables above do not.</p></noscript>
)html";

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string FormatNumber(double value) {
  char text[64];
  const double size = std::fabs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e15)) {
    std::snprintf(text, sizeof(text), "%.3g", value);
    return text;
  }
  if (size >= 1e3) {
    const int64_t whole = std::llround(size);
    std::string digits;
    for (int64_t rest = whole; rest > 0; rest /= 1000) {
      std::snprintf(text, sizeof(text), rest < 1000 ? "%d" : ",%03d",
                    static_cast<int>(rest % 1000));
      digits = absl::StrCat(text, digits);
    }
    return absl::StrCat(value < 0 ? "-" : "", digits);
  }
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::string RenderPage(const std::vector<ReportedRun>& runs) {
  std::vector<std::string> names;
  std::string headlines;
  for (size_t i = 0; i < runs.size(); ++i) {
    names.push_back(runs[i].metrics.name);
    headlines += Headline(i, runs[i].metrics);
  }
  const std::string title = EscapeHtml(absl::StrJoin(names, ", "));
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      title, " &middot; deduce report</title>\n<style>", kPageStyle,
      "</style>\n</head>\n<body>\n<main>\n<header><p class=\"quiet\">deduce report</p><h1>", title,
      "</h1></header>\n<section aria-label=\"Headline\"><div class=\"cards\">\n", headlines,
      "</div></section>\n<section aria-labelledby=\"stages-title\">"
      "<h2 id=\"stages-title\">Stages</h2>\n",
      StageTable(runs), "</section>", kBody, "<script type=\"application/json\" id=\"data\">",
      PageData(runs), "</script>\n<script>\n\"use strict\";\nconst report = {};\n", kChartScript,
      kCurvesScript, kSamplesScript,
      "document.documentElement.dataset.ready = \"true\";\n</script>\n</body>\n</html>\n");
}

}  // namespace deduce
