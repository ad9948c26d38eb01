// The communicators of one rank: the world, and its group along each axis.
#pragma once

#include <memory>

#include "parallel/communicator.h"
#include "parallel/layout.h"

namespace deduce {

struct RankGroups {
  Layout layout;
  Communicator* world = nullptr;           // not owned
  std::unique_ptr<Communicator> replicas;  // all holders of the dense weights, by replica index
  std::unique_ptr<Communicator>
      experts;  // the ranks that the routed experts are split over, by expert rank
  std::unique_ptr<Communicator> data;  // the ranks with the same experts, by data rank
};

// Collective over `world`.
RankGroups MakeRankGroups(Communicator& world, const Layout& layout);

}  // namespace deduce
