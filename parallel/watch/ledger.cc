#include "parallel/watch/ledger.h"

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace deduce {
namespace {

uint64_t Mix(uint64_t digest, uint64_t value) {  // splitmix64's finaliser
  digest = (digest ^ value) + 0x9e3779b97f4a7c15;
  digest = (digest ^ (digest >> 30)) * 0xbf58476d1ce4e5b9;
  digest = (digest ^ (digest >> 27)) * 0x94d049bb133111eb;
  return digest ^ (digest >> 31);
}

// Mixes in all that CallSignature says; rows of AllToAll differ between members.
uint64_t MixCall(uint64_t digest, const LedgerCall& call) {
  digest = Mix(digest, call.operation());
  digest = Mix(digest, static_cast<uint64_t>(call.type()) + 1);
  digest = Mix(digest, static_cast<uint64_t>(call.peer()) + 1);
  for (const int64_t size : call.size()) digest = Mix(digest, static_cast<uint64_t>(size));
  if (call.shard_digest() != 0) digest = Mix(digest, call.shard_digest());
  return Mix(digest, static_cast<uint64_t>(call.size_size()));
}

// 0 without rows.
uint64_t ShardDigest(absl::Span<const int64_t> rows) {
  uint64_t digest = 0;
  for (const int64_t count : rows) digest = Mix(digest, static_cast<uint64_t>(count));
  return digest;
}

std::string ShapeText(const LedgerCall& call) {
  if (call.type() < 0) return "";
  return absl::StrCat(c10::toString(static_cast<c10::ScalarType>(call.type())),
                      call.operation() == LedgerCall::AllToAll ? " rows [" : " [",
                      absl::StrJoin(call.size(), ", "), "]");
}

}  // namespace

Ledger::Ledger(int world_rank, int64_t capacity) : world_rank_(world_rank), ring_(capacity) {}

int64_t Ledger::Now() const {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

int Ledger::AddGroup(absl::string_view uid, absl::string_view name,
                     const std::vector<int>& members) {
  std::lock_guard lock(mutex_);
  LedgerGroup& group = groups_.emplace_back();
  group.set_uid(std::string(uid));
  group.set_name(std::string(name));
  for (const int member : members) group.add_member(member);
  group.set_num_calls(0);
  return static_cast<int>(groups_.size()) - 1;
}

LedgerCall& Ledger::NextCall(int group, LedgerCall::Operation operation,
                             const CallArguments& arguments) {
  LedgerCall& call = ring_[num_calls_ % ring_.size()];
  call.Clear();
  call.set_index(num_calls_++);
  call.set_group(group);
  call.set_operation(operation);
  call.set_type(arguments.type);
  call.set_peer(arguments.peer);
  call.set_tag(arguments.tag);
  call.set_exchange(arguments.exchange);
  call.mutable_size()->Add(arguments.sizes.begin(), arguments.sizes.end());
  call.mutable_send_row()->Add(arguments.send_rows.begin(), arguments.send_rows.end());
  call.mutable_receive_row()->Add(arguments.receive_rows.begin(), arguments.receive_rows.end());
  call.set_shard_digest(ShardDigest(arguments.shard_rows));
  call.set_action(action_);
  call.set_began_ns(Now());
  call.set_ended_ns(0);
  return call;
}

int64_t Ledger::BeginCollective(int group, LedgerCall::Operation operation,
                                const CallArguments& arguments) {
  const int64_t index = StartCollective(group, operation, arguments);
  BeginWait(index);
  return index;
}

int64_t Ledger::StartCollective(int group, LedgerCall::Operation operation,
                                const CallArguments& arguments) {
  std::lock_guard lock(mutex_);
  LedgerCall& call = NextCall(group, operation, arguments);
  LedgerGroup& of = groups_[group];
  call.set_number(of.num_calls());
  if (of.num_calls() % kDigestInterval == 0) {
    if (of.digest_size() == 2 * kDigestsKept) {
      of.mutable_digest()->erase(of.digest().begin(), of.digest().begin() + kDigestsKept);
      of.set_first_digest(of.first_digest() + kDigestsKept);
    }
    of.add_digest(of.last_digest());
  }
  of.set_num_calls(of.num_calls() + 1);
  of.set_last_digest(MixCall(of.last_digest(), call));
  return call.index();
}

int64_t Ledger::BeginTransfer(int group, LedgerCall::Operation operation,
                              const CallArguments& arguments) {
  std::lock_guard lock(mutex_);
  LedgerCall& call = NextCall(group, operation, arguments);
  const bool sends = operation == LedgerCall::Send;
  call.set_number(lanes_[{group, sends ? world_rank_ : arguments.peer,
                          sends ? arguments.peer : world_rank_, arguments.tag}]++);
  return call.index();
}

LedgerCall* Ledger::Find(int64_t index) {
  LedgerCall& call = ring_[index % ring_.size()];
  return call.index() == index ? &call : nullptr;
}

void Ledger::BeginWait(int64_t index) {
  std::lock_guard lock(mutex_);
  blocked_ = index;
  blocked_since_ns_ = Now();
}

void Ledger::End(int64_t index) {
  std::lock_guard lock(mutex_);
  if (LedgerCall* call = Find(index)) call->set_ended_ns(Now());
  if (blocked_ == index) blocked_ = -1;
}

void Ledger::BeginAction(absl::string_view what) {
  std::lock_guard lock(mutex_);
  actions_.emplace_back(what);
  action_ = absl::StrJoin(actions_, ", ");
}

void Ledger::EndAction() {
  std::lock_guard lock(mutex_);
  actions_.pop_back();
  action_ = absl::StrJoin(actions_, ", ");
}

std::string Ledger::action() const {
  std::lock_guard lock(mutex_);
  return action_;
}

void Ledger::EndRun() {
  std::lock_guard lock(mutex_);
  ended_ = true;
}

double Ledger::SecondsBlocked() const {
  std::lock_guard lock(mutex_);
  return blocked_ < 0 ? 0 : static_cast<double>(Now() - blocked_since_ns_) * 1e-9;
}

LedgerRecord Ledger::Record(int64_t max_calls) const {
  std::lock_guard lock(mutex_);
  LedgerRecord record;
  record.set_rank(world_rank_);
  for (const LedgerGroup& group : groups_) *record.add_group() = group;
  for (const auto& [key, num_calls] : lanes_) {
    LedgerLane& lane = *record.add_lane();
    lane.set_group(std::get<0>(key));
    lane.set_from(std::get<1>(key));
    lane.set_to(std::get<2>(key));
    lane.set_tag(std::get<3>(key));
    lane.set_num_calls(num_calls);
  }
  const int64_t capacity = static_cast<int64_t>(ring_.size());
  const int64_t first = std::max({int64_t{0}, num_calls_ - capacity, num_calls_ - max_calls});
  if (blocked_ >= std::max(int64_t{0}, num_calls_ - capacity) && blocked_ < first) {
    *record.add_call() = ring_[blocked_ % capacity];
  }
  for (int64_t i = first; i < num_calls_; ++i) *record.add_call() = ring_[i % capacity];
  record.set_blocked(blocked_);
  record.set_blocked_since_ns(blocked_since_ns_);
  record.set_action(action_);
  record.set_now_ns(Now());
  record.set_ended(ended_);
  return record;
}

std::string CallSignature(const LedgerCall& call) {
  std::string text = absl::StrCat(LedgerCall::Operation_Name(call.operation()), ShapeText(call));
  if (call.peer() >= 0) absl::StrAppend(&text, " ", call.peer(), " ", call.tag());
  if (call.shard_digest() != 0) absl::StrAppend(&text, " in shards ", call.shard_digest());
  return text;
}

std::string CallText(const LedgerCall& call, const LedgerGroup& group) {
  std::string text = absl::StrCat(LedgerCall::Operation_Name(call.operation()), " ", call.number());
  std::string details = ShapeText(call);
  if (call.operation() == LedgerCall::Send) {
    absl::StrAppend(&text, " to rank ", call.peer(), ", tag ", call.tag());
  } else if (call.operation() == LedgerCall::Receive) {
    absl::StrAppend(&text, " from rank ", call.peer(), ", tag ", call.tag());
  } else {
    absl::StrAppend(&text, " of ", group.name());
  }
  if (call.operation() == LedgerCall::Broadcast) {
    absl::StrAppend(&details, " from rank ", call.peer());
  } else if (call.shard_digest() != 0) {
    absl::StrAppend(&details, " in shards ", absl::Hex(call.shard_digest() >> 48, absl::kZeroPad4));
  }
  if (call.exchange() >= 0) absl::StrAppend(&text, ", in an exchange");
  return details.empty() ? text : absl::StrCat(text, " (", details, ")");
}

}  // namespace deduce
