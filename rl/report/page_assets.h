// The page's style and script, embedded in the program so that a report needs no file but itself:
// the text of the files of rl/report/page, written into a source file by cmake/embed_text.cmake.
#pragma once

namespace deduce {

extern const char kPageStyle[];
// In this order inside one script element; each is a function of its own that leaves its door on
// `report`.
extern const char kChartScript[];
extern const char kCurvesScript[];
extern const char kSamplesScript[];

}  // namespace deduce
