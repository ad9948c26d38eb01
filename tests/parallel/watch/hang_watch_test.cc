#include "parallel/watch/hang_watch.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "parallel/communicator/thread_communicator.h"
#include "tests/testing/faulty_communicator.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the watches of all ranks have said; each line once.
class Reports {
 public:
  HangWatchOptions Options(double hang_seconds) {
    return {.hang_seconds = hang_seconds,
            .look_seconds = 0.05,
            .on_hang = [this](const std::string& text) { Add(errors_, text); },
            .on_warning = [this](const std::string& text) { Add(warnings_, text); }};
  }
  void WaitForError() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !errors_.empty(); });
  }
  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void Add(std::vector<std::string>& lines, const std::string& text) {
    std::lock_guard lock(mutex_);
    lines.push_back(text);
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> errors_, warnings_;
};

TEST(HangWatchTest, IsSilentWhenAllIsWellAndChangesNoResult) {
  Reports reports;
  RunRanks(4, [&](Communicator& ranks) {
    const auto watch = HangWatch::Start(ranks, reports.Options(600));
    ASSERT_TRUE(watch.ok()) << watch.status();
    Communicator& world = (*watch)->world();
    for (int i = 0; i < 100; ++i) {
      const at::Tensor all = world.AllGather(at::full({2}, world.rank()));
      for (int r = 0; r < 4; ++r) EXPECT_TRUE(at::equal(all[r], at::full({2}, r)));
    }
    // Rank 3 has no further call, and is not dead for it.
    const auto group = world.Split(world.rank() == 3 ? 1 : 0, 0);
    for (int i = 0; i < 100; ++i) group->Barrier();
  });
  EXPECT_THAT(reports.errors(), ElementsAre());
  EXPECT_THAT(reports.warnings(), ElementsAre());
}

TEST(HangWatchTest, StartsAgainAfterItsEnd) {
  RunRanks(2, [](Communicator& ranks) {
    for (int i = 0; i < 3; ++i) {
      const auto watch = HangWatch::Start(ranks, {});
      ASSERT_TRUE(watch.ok()) << watch.status();
      (*watch)->world().Barrier();
    }
  });
}

// Threads, under mpirun too: a rank waits for what the watch of another says.
TEST(HangWatchTest, WarnsOfASlowPeerAndThenEndsTheJob) {
  Reports reports;
  RunThreadRanks(3, [&](Communicator& ranks) {
    const auto watch = HangWatch::Start(ranks, reports.Options(1));
    Communicator& world = (*watch)->world();
    world.Barrier();
    const ActionScope action(world, "step 4");
    if (world.rank() == 1) reports.WaitForError();  // "computes"
    world.AllGather(at::ones({3}));
  });
  EXPECT_FALSE(reports.warnings().empty());
  for (const std::string& warning : reports.warnings()) {
    EXPECT_THAT(warning, AllOf(HasSubstr("rank 1 (step 4): found "), HasSubstr("of computing"),
                               HasSubstr("AllGather 1 of world (Float [3])"),
                               HasSubstr("slow peer; the job ends after 1 s")));
  }
  EXPECT_THAT(reports.errors(),
              ElementsAre(AllOf(HasSubstr("rank 1 (step 4): found "), HasSubstr("slow peer"))));
}

TEST(HangWatchTest, ARankThatLeavesBeforeACallIsNamed) {
  Reports reports;
  RunThreadRanks(3, [&](Communicator& ranks) {
    const auto watch = HangWatch::Start(ranks, reports.Options(600));
    Communicator& world = (*watch)->world();
    world.Barrier();
    // By the watch; the transport would only see it after the watch has been left.
    if (world.rank() != 2) {
      EXPECT_ANY_THROW(world.Barrier());
    }
  });
  EXPECT_THAT(reports.errors(),
              ElementsAre("rank 2: found the end of its run after Barrier 0 of world, expected "
                          "Barrier 1 of world, for which ranks 0, 1 wait: skipped"));
}

// The fault of rank 1's second call of an operation.
std::vector<std::string> ReportsOf(Fault fault) {
  Reports reports;
  try {
    RunThreadRanks(3, [&](Communicator& ranks) {
      const auto watch = HangWatch::Start(ranks, reports.Options(600));
      const auto world =
          MakeFaultyCommunicator((*watch)->world(), ranks.rank() == 1 ? fault : Fault{});
      for (int i = 0; i < 3; ++i) {
        at::Tensor weights = at::ones({4});
        world->Broadcast(weights, 0);
        world->AllGather(at::ones({4}));
        world->Barrier();
      }
    });
  } catch (const std::exception&) {
    // Threads notice some faults themselves, once the watch has explained them.
  }
  return reports.errors();
}

TEST(HangWatchTest, ASkippedCallIsNamed) {
  EXPECT_THAT(ReportsOf({.kind = Fault::kSkip, .operation = "Broadcast", .nth = 1}),
              ElementsAre(AllOf(HasSubstr("rank 1: found AllGather 3 of world"),
                                HasSubstr("expected Broadcast 3 of world"), HasSubstr("skipped"))));
}

TEST(HangWatchTest, AReorderedCallIsNamed) {
  EXPECT_THAT(ReportsOf({.kind = Fault::kReorder, .operation = "Barrier", .nth = 1}),
              ElementsAre(AllOf(HasSubstr("rank 1: found Broadcast 5 of world"),
                                HasSubstr("expected Barrier 5 of world"), HasSubstr("reordered"))));
}

TEST(HangWatchTest, AWrongShapeIsNamed) {
  EXPECT_THAT(
      ReportsOf({.kind = Fault::kShape, .operation = "AllGather", .nth = 1}),
      ElementsAre(AllOf(HasSubstr("rank 1: found AllGather 4 of world (Float [5])"),
                        HasSubstr("expected AllGather 4 of world (Float [4]) as on ranks 0, 2"),
                        HasSubstr("wrong shape"))));
}

TEST(HangWatchTest, AWrongRootIsNamed) {
  EXPECT_THAT(ReportsOf({.kind = Fault::kRoot, .operation = "Broadcast", .nth = 1}),
              ElementsAre(AllOf(HasSubstr("rank 1: found Broadcast 3 of world"),
                                HasSubstr("from rank 1"), HasSubstr("wrong root"))));
}

}  // namespace
}  // namespace deduce
