// Sample tables as files: a line of JSON for every sample (rollouts/STAGE/STEP.jsonl).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/records/sample.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "nlohmann/json.hpp"

namespace deduce {

// All fields of a sample by their names in sample.proto ("tokens" and "logprobs" for two of them),
// null where they are unset, NaN as null; and "truncated", true or false, beside "status".
nlohmann::ordered_json SampleToJson(const Sample& sample);

// The sample of a line. What is missing or null stays unset, a null among numbers is NaN, and what
// sample.proto does not have is passed over. Errors: InvalidArgument "WHERE: found X, expected Y"
// for a value of the wrong kind; for numbers of log-probabilities and tokens that do not agree; for
// no prompt, completion or verdict.
absl::StatusOr<Sample> SampleFromJson(const std::string& where, const nlohmann::json& object);

// Replaces the file, or leaves the old one: what is there is whole. Makes its folder. Unavailable,
// with path and reason, if it cannot be written.
absl::Status WriteSampleTable(const std::string& path, const SampleTable& table);

// Errors: NotFound; InvalidArgument "PATH:LINE: found X, expected Y" for a line that SampleFromJson
// refuses or that lacks what a sample trains with (tokens of prompt and completion,
// log-probabilities, indices, status), for a sample that is out of order, and for an empty file.
absl::StatusOr<SampleTable> ReadSampleTable(const std::string& path);

// Fills in the texts of the completions' tokens.
void SetTokenTexts(const Tokenizer& tokenizer, SampleTable& table);

// Places in the table of the samples of each group, rising.
std::map<uint64_t, std::vector<size_t>> SamplesByGroup(const SampleTable& table);

}  // namespace deduce
