// hang_drill FAULT OPERATION NTH RANK GROUP HANG_SECONDS [ELEMENTS]: a loop of collectives and
// messages like those of training, in which one rank does one thing wrong: its NTH call of
// OPERATION in GROUP (world, data), for hang_drill_test.py. FAULT: none, kill, exit (at once),
// leave (by std::exit, which waits for the others in the end of MPI), stop, sleep (for ever), pause
// (3 s), skip, reorder, shape, root, peer, tag. `hang_drill cost` prints what recording a call
// takes.
#include <ATen/ops/ones.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "parallel/communicator/mpi_communicator.h"
#include "parallel/sequence/ring_attention.h"
#include "parallel/watch/hang_watch.h"
#include "parallel/watch/ledger.h"
#include "tests/testing/faulty_communicator.h"

namespace deduce {
namespace {

constexpr int kSteps = 20;
constexpr int kMicroBatches = 3;

Fault MakeFault(const std::string& name) {
  const auto sleep = [](int seconds) {
    return [seconds] { std::this_thread::sleep_for(std::chrono::seconds(seconds)); };
  };
  if (name == "none") return {};
  if (name == "kill") return {.kind = Fault::kDo, .act = [] { std::raise(SIGKILL); }};
  if (name == "exit") return {.kind = Fault::kDo, .act = [] { _exit(0); }};
  if (name == "leave") return {.kind = Fault::kDo, .act = [] { std::exit(0); }};
  if (name == "stop") return {.kind = Fault::kDo, .act = [] { std::raise(SIGSTOP); }};
  if (name == "sleep") return {.kind = Fault::kDo, .act = sleep(3600)};
  if (name == "pause") return {.kind = Fault::kDo, .act = sleep(3)};
  if (name == "skip") return {.kind = Fault::kSkip};
  if (name == "reorder") return {.kind = Fault::kReorder};
  if (name == "shape") return {.kind = Fault::kShape};
  if (name == "root") return {.kind = Fault::kRoot};
  if (name == "peer") return {.kind = Fault::kPeer};
  if (name == "tag") return {.kind = Fault::kTag};
  std::cerr << "hang_drill: error: found fault " << name << ", expected one that the source lists"
            << std::endl;
  std::_Exit(2);
}

// As a pipeline would: to the next rank, from the one before.
void PassOn(Communicator& world, int64_t elements) {
  const int next = (world.rank() + 1) % world.size();
  const int before = (world.rank() + world.size() - 1) % world.size();
  for (int m = 0; m < kMicroBatches; ++m) {
    const ActionScope action(world, absl::StrCat("send activation 0.", m));
    const at::Tensor mine = at::ones({elements});
    at::Tensor theirs = at::ones({elements});
    const std::unique_ptr<Transfer> receive = world.Receive(theirs, before, 0);
    const std::unique_ptr<Transfer> send = world.Send(mine, next, 0);
    receive->Wait();
    send->Wait();
  }
}

// Keys go round in a ring.
void Attend(Communicator& group) {
  const at::Tensor rows_tgk = at::ones({8, 1, 64});
  const KeyRuns all = {{0, 8}, {0, 8}, std::vector<int64_t>(8, 8)};
  RingAttention(rows_tgk, rows_tgk, rows_tgk, std::vector<KeyRuns>(group.size(), all), 1, group);
}

void RunSteps(Communicator& world, Communicator& data, int64_t elements) {
  for (int step = 0; step < kSteps; ++step) {
    const ActionScope action(world, absl::StrCat("step ", step));
    at::Tensor weights = at::ones({elements});
    world.Broadcast(weights, 0);
    PassOn(world, elements);
    {
      const ActionScope reduce(world, "reduce 0");
      AllReduceSum(data, at::ones({elements}));
    }
    world.AllGather(at::ones({elements / 4}));
    const std::vector<int64_t> rows(world.size(), elements / 64);
    world.ReduceScatter(at::ones({elements / 64 * world.size(), 16}), rows, Reduction::kSum);
    at::Tensor shards = at::ones({elements / 64 * world.size(), 16});
    world.AllGatherInto(shards, rows);
    world.AllToAll(at::ones({elements / 64 * world.size(), 16}), rows, rows);
    Attend(data);
    world.Barrier();
    data.Barrier();
  }
}

void PrintCost() {
  constexpr int kCalls = 1000000;
  Ledger ledger(0);
  const int world = ledger.AddGroup("world", "world", {0, 1});
  const std::vector<int64_t> sizes = {128, 1024};
  const auto seconds = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch());
  };
  ledger.BeginAction("pretrain step 100");
  const auto start = seconds();
  for (int i = 0; i < kCalls; ++i) {
    ledger.End(ledger.BeginCollective(world, LedgerCall::AllGather, {.type = 6, .sizes = sizes}));
  }
  const auto middle = seconds();
  for (int i = 0; i < kCalls; ++i) {
    ledger.BeginAction("F0.3");
    ledger.EndAction();
  }
  std::cout << "a call: " << (middle - start).count() / kCalls * 1e9
            << " ns, an action: " << (seconds() - middle).count() / kCalls * 1e9 << " ns"
            << std::endl;
}

int Drill(int argc, char** argv, Communicator& processes) {
  if (argc == 2 && std::string(argv[1]) == "cost") {
    PrintCost();
    return 0;
  }
  if (argc < 7) {
    std::cerr << "usage: hang_drill FAULT OPERATION NTH RANK GROUP HANG_SECONDS [ELEMENTS]"
              << std::endl;
    return 2;
  }
  const bool mine = processes.rank() == std::atoi(argv[4]);
  Fault fault = mine ? MakeFault(argv[1]) : Fault{};
  fault.operation = argv[2];
  fault.nth = std::atoi(argv[3]);
  const bool of_world = std::string(argv[5]) == "world";
  const auto watch = HangWatch::Start(processes, {.hang_seconds = std::strtod(argv[6], nullptr)});
  if (!watch.ok()) {
    std::cerr << watch.status() << std::endl;
    return 1;
  }
  const auto world = MakeFaultyCommunicator((*watch)->world(), of_world ? fault : Fault{});
  world->BeginAction("data");
  const std::unique_ptr<Communicator> data_group = world->Split(world->rank() % 2, world->rank());
  world->EndAction();
  const auto data = MakeFaultyCommunicator(*data_group, of_world ? Fault{} : fault);
  RunSteps(*world, *data, argc > 7 ? std::atoi(argv[7]) : 1 << 16);
  if (world->rank() == 0) std::cout << "done" << std::endl;
  return 0;
}

}  // namespace
}  // namespace deduce

int main(int argc, char** argv) {
  const auto world = deduce::MakeMpiWorld(&argc, &argv);
  std::signal(SIGTERM, [](int) {});  // training, too, outlives one
  try {
    return deduce::Drill(argc, argv, *world);
  } catch (const std::exception& error) {
    const std::string message = error.what();
    std::cerr << "deduce: error: rank " << world->rank() << ": "
              << message.substr(0, message.find('\n')) << std::endl;
    world->Abort(1);
  }
}
