// Why a step's rewards teach nothing, in words.
#pragma once

#include <string>

#include "data/records/sample.pb.h"

namespace deduce {

// One line for a step in which no group has rewards that differ, or no completion is right: how
// many completions are right, wrong (without an answer, not understood), unscorable, cut, without
// the tags of the format. "" for any other step.
std::string ExplainRewards(const SampleTable& table);

// One line with a completion that is not right, of a table that has one: the end of its prompt, the
// end of its text, the gold answer. At most about 300 bytes; control characters and what is not
// UTF-8 are escaped. "" for another table.
std::string ExampleOfReward(const SampleTable& table);

}  // namespace deduce
