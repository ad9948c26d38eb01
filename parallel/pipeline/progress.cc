#include "parallel/pipeline/progress.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce {
namespace {

class Progress {
 public:
  Progress(const Plan& plan, TransportKind transport, int room)
      : plan_(plan),
        ordered_(transport == TransportKind::kOrderedPeers),
        transport_(transport),
        room_(room),
        ranks_(plan.ranks.size()) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Match());
    bool moved = true;
    while (moved) {
      moved = false;
      for (int rank = 0; rank < num_ranks(); ++rank) {
        while (!HasEnded(rank) && Advance(rank)) moved = true;
      }
    }
    for (int rank = 0; rank < num_ranks(); ++rank) {
      if (!HasEnded(rank)) return Circle(rank);
    }
    return absl::OkStatus();
  }

 private:
  // A place in an exchange of a rank.
  struct End {
    int rank = 0;
    size_t exchange = 0;  // number among the rank's
    PlanAction transfer;
  };
  struct SentMessage {
    End from, to;
    int begun = 0;      // how many of its two ends have
    int previous = -1;  // message that must be over before this one's sender goes on; -1: none
    bool is_over() const { return begun == 2; }
  };
  struct Exchange {
    size_t action = 0;
    std::vector<int> messages;
    int left = 0;  // messages that are not over
  };
  struct Rank {
    size_t next = 0;  // action
    std::vector<Exchange> exchanges;
    size_t posted = 0, begun = 0, over = 0;  // exchanges; `over` only counts on ordered peers
    std::map<std::pair<Channel, int>, int> receives;  // -> message
  };
  // A wait: of a rank in its list, or of an exchange that a rank has posted.
  struct Wait {
    int rank = 0;
    std::optional<size_t> exchange;
    bool operator==(const Wait&) const = default;
  };

  int num_ranks() const { return static_cast<int>(ranks_.size()); }
  bool HasEnded(int rank) const { return ranks_[rank].next == plan_.ranks[rank].size(); }
  const PlanAction& Next(int rank) const { return plan_.ranks[rank][ranks_[rank].next]; }

  std::string Where(int rank, size_t action) const {
    return absl::StrCat("rank ", rank, ", action ", action, " (",
                        ActionText(plan_.ranks[rank][action]), ")");
  }
  absl::Status Wrong(int rank, size_t action, const std::string& found,
                     const std::string& expected) const {
    return absl::InvalidArgumentError(absl::StrCat("plan ", plan_.schedule.name, ": ",
                                                   Where(rank, action), ": found ", found,
                                                   ", expected ", expected));
  }

  // Gives every message its two ends.
  absl::Status Match() {
    using Lane = std::pair<std::pair<int, int>, Channel>;  // on ordered peers: the two ranks alone
    std::map<Lane, std::pair<std::vector<End>, std::vector<End>>> lanes;
    for (int rank = 0; rank < num_ranks(); ++rank) {
      for (size_t i = 0; i < plan_.ranks[rank].size(); ++i) {
        const PlanAction& action = plan_.ranks[rank][i];
        if (action.op != PlanOp::kExchange) continue;
        for (const PlanAction& transfer : action.parts) {
          const Channel channel = ChannelOf(plan_.schedule, rank, transfer);
          auto& [sent, received] =
              lanes[{{channel.from, channel.to}, ordered_ ? Channel{} : channel}];
          (IsSend(transfer.op) ? sent : received)
              .push_back({rank, ranks_[rank].exchanges.size(), transfer});
        }
        ranks_[rank].exchanges.push_back({i, {}, static_cast<int>(action.parts.size())});
      }
    }
    for (auto& [lane, ends] : lanes) {
      const int first = static_cast<int>(messages_.size());
      for (size_t n = 0; n < ends.first.size(); ++n) {
        RETURN_IF_ERROR(Add(ends.first[n], ends.second.at(n)));
        const int previous = static_cast<int>(messages_.size()) - 1 - room_;
        if (!ordered_ && previous >= first) messages_.back().previous = previous;
      }
    }
    return absl::OkStatus();
  }

  absl::Status Add(const End& from, const End& to) {
    const Channel sent = ChannelOf(plan_.schedule, from.rank, from.transfer);
    const Channel received = ChannelOf(plan_.schedule, to.rank, to.transfer);
    const int index = static_cast<int>(messages_.size());
    Exchange& sending = ranks_[from.rank].exchanges[from.exchange];
    Exchange& receiving = ranks_[to.rank].exchanges[to.exchange];
    if (sent != received || from.transfer.micro_batch != to.transfer.micro_batch) {
      return Wrong(
          to.rank, receiving.action,
          absl::StrCat("a message that meets \"", ActionText(from.transfer), "\" of ",
                       Where(from.rank, sending.action), " on ", TransportName(transport_)),
          absl::StrCat("what \"", ActionText(to.transfer), "\" waits for"));
    }
    sending.messages.push_back(index);
    receiving.messages.push_back(index);
    ranks_[to.rank].receives[{received, to.transfer.micro_batch}] = index;
    messages_.push_back({from, to});
    return absl::OkStatus();
  }

  // Does a rank's next action, unless it must wait.
  bool Advance(int rank) {
    const PlanAction& action = Next(rank);
    if (IsReceive(action.op) && AwaitedBy(rank, action)) return false;
    if (action.op == PlanOp::kExchange) {
      if (FullChannel(rank) >= 0) return false;
      ++ranks_[rank].posted;
      BeginExchanges(rank);
    }
    if (action.op == PlanOp::kReduce) {
      std::set<int>& there = at_reduction_[StageOfChunk(rank, action.chunk)];
      there.insert(rank);
      if (there.size() < action.group.size()) return false;
    }
    ++ranks_[rank].next;
    return true;
  }

  // The exchange that a receive waits for, if it does.
  std::optional<size_t> AwaitedBy(int rank, const PlanAction& receive) const {
    const SentMessage& message = messages_[ranks_[rank].receives.at(
        {ChannelOf(plan_.schedule, rank, receive), receive.micro_batch})];
    const size_t exchange = message.to.exchange;
    const bool over = ordered_ ? ranks_[rank].exchanges[exchange].left == 0 : message.is_over();
    return over ? std::nullopt : std::optional(exchange);
  }

  // The message that keeps a rank's next exchange from beginning its sends; -1: none.
  int FullChannel(int rank) const {
    const Rank& self = ranks_[rank];
    for (const int index : self.exchanges[self.posted].messages) {
      const SentMessage& message = messages_[index];
      if (message.from.rank == rank && message.previous >= 0 &&
          !messages_[message.previous].is_over())
        return message.previous;
    }
    return -1;
  }

  // Begins what a rank has posted and may begin, and what can begin after that.
  void BeginExchanges(int rank) {
    std::vector<int> may_begin = {rank};
    while (!may_begin.empty()) {
      Rank& self = ranks_[may_begin.back()];
      may_begin.pop_back();
      while (self.begun < self.posted && (!ordered_ || self.over == self.begun)) {
        for (const int index : self.exchanges[self.begun++].messages) {
          SentMessage& message = messages_[index];
          if (++message.begun < 2) continue;
          for (const End* end : {&message.from, &message.to}) {
            Rank& other = ranks_[end->rank];
            if (--other.exchanges[end->exchange].left > 0) continue;
            ++other.over;
            may_begin.push_back(end->rank);
          }
        }
      }
    }
  }

  int StageOfChunk(int rank, int chunk) const {
    for (const std::vector<Place>& path : plan_.schedule.paths) {
      const auto found = std::find(path.begin(), path.end(), Place{rank, chunk});
      if (found != path.end()) return static_cast<int>(found - path.begin());
    }
    return -1;
  }

  std::string ExchangeText(const Wait& wait) const {
    return Where(wait.rank, ranks_[wait.rank].exchanges[*wait.exchange].action);
  }

  // The wait that another wait rests on, with a text that says why.
  std::pair<Wait, std::string> Cause(const Wait& wait) const {
    return wait.exchange ? CauseOfExchange(wait) : CauseOfRank(wait.rank);
  }

  std::pair<Wait, std::string> CauseOfRank(int rank) const {
    const PlanAction& action = Next(rank);
    const std::string where = Where(rank, ranks_[rank].next);
    if (IsReceive(action.op)) {
      const Wait next{rank, AwaitedBy(rank, action)};
      return {next, absl::StrCat(where, " waits for ", ExchangeText(next))};
    }
    if (action.op == PlanOp::kExchange) {
      const Wait next{rank, messages_[FullChannel(rank)].from.exchange};
      return {next, absl::StrCat(where, " waits for room after ", ExchangeText(next))};
    }
    const std::set<int>& there = at_reduction_.at(StageOfChunk(rank, action.chunk));
    const auto missing = std::find_if(action.group.begin(), action.group.end(),
                                      [&](int other) { return there.count(other) == 0; });
    return {{*missing, std::nullopt}, absl::StrCat(where, " waits for rank ", *missing)};
  }

  std::pair<Wait, std::string> CauseOfExchange(const Wait& wait) const {
    const Rank& self = ranks_[wait.rank];
    if (*wait.exchange >= self.posted)
      return {{wait.rank, std::nullopt},
              absl::StrCat(ExchangeText(wait), " comes after where rank ", wait.rank, " is")};
    if (*wait.exchange >= self.begun) {
      const Wait before{wait.rank, *wait.exchange - 1};
      return {before,
              absl::StrCat(ExchangeText(wait), " waits in line behind ", ExchangeText(before))};
    }
    for (const int index : self.exchanges[*wait.exchange].messages) {
      const SentMessage& message = messages_[index];
      if (message.is_over()) continue;
      const bool sends = message.from.rank == wait.rank;
      const End& other = sends ? message.to : message.from;
      const Wait next{other.rank, other.exchange};
      return {next, absl::StrCat(ExchangeText(wait), " waits for \"", ActionText(other.transfer),
                                 "\" of ", ExchangeText(next))};
    }
    return {wait, ExchangeText(wait)};
  }

  // Follows waits from a rank that cannot go on to those that wait for themselves.
  absl::Status Circle(int rank) const {
    std::vector<Wait> waits = {{rank, std::nullopt}};
    std::vector<std::string> texts;
    for (;;) {
      auto [next, text] = Cause(waits.back());
      texts.push_back(std::move(text));
      const auto first = std::find(waits.begin(), waits.end(), next);
      if (first == waits.end()) {
        waits.push_back(next);
        continue;
      }
      std::string circle;
      for (size_t i = first - waits.begin(); i < texts.size(); ++i)
        absl::StrAppend(&circle, circle.empty() ? "" : "; ", texts[i]);
      return Wrong(
          rank, ranks_[rank].next,
          absl::StrCat("a wait that never ends on ", TransportName(transport_), ": ", circle),
          ordered_ ? std::string("no circle of waits")
                   : absl::StrCat("no circle of waits with ", room_, " messages a channel"));
    }
  }

  const Plan& plan_;
  const bool ordered_;
  const TransportKind transport_;
  const int room_;
  std::vector<Rank> ranks_;
  std::vector<SentMessage> messages_;
  std::map<int, std::set<int>> at_reduction_;  // stage -> ranks that wait there
};

}  // namespace

const char* TransportName(TransportKind transport) {
  return transport == TransportKind::kChannels ? "independent channels" : "ordered peers";
}

absl::Status CheckProgress(const Plan& plan, TransportKind transport, int channel_messages) {
  return Progress(plan, transport, channel_messages).Run();
}

}  // namespace deduce
