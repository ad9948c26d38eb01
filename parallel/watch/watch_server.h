// The half of a watch that answers: it holds what other ranks have said of themselves, and never
// waits for any of them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parallel/watch/ledger.h"
#include "parallel/watch/watch_channel.h"
#include "parallel/watch/watch_connection.h"

namespace deduce {

// News of the ranks so far. Guarded by its mutex; `changed` is notified of every change.
struct WatchNews {
  explicit WatchNews(int num_ranks)
      : left(num_ranks, false), gone(num_ranks, false), last(num_ranks) {}

  std::mutex mutex;
  std::condition_variable changed;
  bool examine = false;            // somebody asks to compare all ranks
  bool over = false;               // the job is ended
  bool released = false;           // all ranks have left the run in order
  bool closing = false;            // the server ends
  std::vector<bool> left;          // in order; of rank 0's watch, like `gone` and `last`
  std::vector<bool> gone;          // without a word
  std::vector<LedgerRecord> last;  // the last word of each rank
  std::string contradiction;       // what digests of two ranks say; empty if they agree
};

class WatchServer {
 public:
  // secret: the job's, of kSecretBytes. on_end: called when another rank has ended the job.
  // Everything outlives the server.
  WatchServer(Socket listener, std::string secret, const Ledger& ledger, WatchNews& news,
              std::function<void()> on_end);
  ~WatchServer();  // tells all lifelines that they are released, if they are

  // Compares a rank's digests with those of the others. Of rank 0's watch.
  void TakeDigests(const LedgerRecord& record);

 private:
  struct Client {
    WatchConnection connection;
    int lifeline = -1;  // the rank whose end closes it
  };
  void Serve();
  void Accept();
  void DropStrangers();
  bool Answer(Client& client, int16_t events);
  void Handle(Client& client, const WatchMessage& message);
  void Lose(const Client& client);
  int num_ranks() const { return static_cast<int>(news_.left.size()); }

  Socket listener_;
  Socket wake_;
  std::string secret_;
  const Ledger& ledger_;
  WatchNews& news_;
  std::function<void()> on_end_;
  std::vector<Client> clients_;
  bool accepts_ = true;  // false: the process has no more descriptors
  struct Digest {
    uint64_t value = 0;
    int rank = 0;
  };
  std::map<std::string, std::map<int64_t, Digest>> digests_;  // by uid of the group and count
  std::thread thread_;
};

// A thread that leaves all signals to others.
std::thread StartQuietThread(std::function<void()> body);

}  // namespace deduce
