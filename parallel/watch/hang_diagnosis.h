// Why a job makes no progress, from what its ranks say that they have done.
#pragma once

#include <string>
#include <vector>

#include "parallel/watch/call_history.h"

namespace deduce {

struct HangVerdict {
  enum Kind {
    kNone,     // nobody waits
    kSlow,     // a rank computes while others wait, or data is on its way
    kSilent,   // others wait for a rank that does not answer
    kCircle,   // ranks wait for each other: a fact if a second look has the same
    kCertain,  // ranks disagree, or one that others need is gone
  };
  Kind kind = kNone;
  int rank = -1;     // the culprit
  std::string text;  // "rank 2 (step 3): found X, expected Y"
};

// states[r] is of world rank r.
HangVerdict Diagnose(const std::vector<RankState>& states);

}  // namespace deduce
