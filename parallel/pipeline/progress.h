// Checks that all ranks reach the ends of their lists, by running the lists against each other.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "parallel/pipeline/plan.h"

namespace deduce {

// How messages get from rank to rank. A message goes over when both its ends have begun.
enum class TransportKind : uint8_t {
  // MPI's and threads', which have tags: a channel's messages keep their order and nothing else
  // does. A send begins when the channel has room for it, and its rank waits until then.
  kChannels,
  // NCCL's: no tags, and a rank's exchanges are over one after the other. An exchange begins when
  // those before it are over, and is over when all its messages are; the messages between two ranks
  // meet in the order in which they are begun. The rank itself goes on, except where it waits for a
  // receive, and so for the whole exchange.
  kOrderedPeers,
};

// "independent channels" or "ordered peers".
const char* TransportName(TransportKind transport);

// Takes a plan whose sends and receives match, one by one, on each channel. InvalidArgument names
// the first message between two ranks that meets another, or a circle of waits. channel_messages:
// how many a channel has room for, at least 1.
absl::Status CheckProgress(const Plan& plan, TransportKind transport, int channel_messages);

}  // namespace deduce
