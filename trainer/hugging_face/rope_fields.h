// The rotary settings of a config.json, in the spelling of transformers 5 (rope_parameters) or the
// older one (rope_theta beside rope_scaling).
#pragma once

#include "configs/model.pb.h"
#include "trainer/hugging_face/config_fields.h"

namespace deduce {

// Kinds: default, linear, llama3 and yarn; any other, and any field that the kind does not have,
// fails `fields`. max_positions stands in for a missing original_max_position_embeddings.
RopeConfig ReadRope(ConfigFields& fields, int64_t max_positions);

// The same as an object rope_parameters.
nlohmann::json WriteRope(const RopeConfig& rope);

}  // namespace deduce
