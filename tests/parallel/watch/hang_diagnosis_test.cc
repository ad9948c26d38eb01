#include "parallel/watch/hang_diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/parallel/call_script.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

// Some steps of all four ranks.
CallScript Steps(int steps) {
  CallScript script(4);
  for (int step = 0; step < steps; ++step) {
    script.All({0, 1, 2, 3}, LedgerCall::Broadcast, 8, /*root=*/0);
    script.Pass(0, 1);
    script.Pass(1, 2);
    script.AllHalf({0, 1, 2, 3}, LedgerCall::Barrier);
    script.All({0, 1, 2, 3}, LedgerCall::AllGather, 4);
  }
  return script;
}

void Expect(const CallScript& script, HangVerdict::Kind kind, int rank, const std::string& text) {
  const HangVerdict verdict = Diagnose(script.States());
  EXPECT_EQ(verdict.kind, kind);
  EXPECT_EQ(verdict.rank, rank);
  EXPECT_EQ(verdict.text, text);
}

TEST(HangDiagnosisTest, NobodyWaits) { Expect(Steps(2), HangVerdict::kNone, -1, ""); }

TEST(HangDiagnosisTest, SkippedWhenTheNextCallIsThere) {
  CallScript script = Steps(2);
  script.All({0, 1, 2, 3}, LedgerCall::Barrier);
  for (const int r : {0, 1, 3}) script.Enter(r, LedgerCall::AllGather, 4);
  script.Enter(2, LedgerCall::Broadcast, 8, 0);
  Expect(script, HangVerdict::kCertain, 2,
         "rank 2: found Broadcast 5 of world (Float [8] from rank 0), expected AllGather 5 of "
         "world (Float [4]) as on ranks 0, 1, 3: skipped or reordered");
}

TEST(HangDiagnosisTest, ReorderedWhenTheMissedCallComesNext) {
  CallScript script = Steps(2);
  script.All({0, 1, 2}, LedgerCall::Barrier);
  script.All({0, 1, 2}, LedgerCall::AllGather, 4);
  script.All({3}, LedgerCall::AllGather, 4);
  script.Enter(3, LedgerCall::Barrier);
  Expect(script, HangVerdict::kCertain, 3,
         "rank 3: found AllGather 4 of world (Float [4]), expected Barrier 4 of world as on ranks "
         "0, 1, 2: reordered");
}

TEST(HangDiagnosisTest, WrongShapeAndRootAndOperation) {
  CallScript shape = Steps(2);
  for (const int r : {0, 2, 3}) shape.Enter(r, LedgerCall::AllGather, 6);
  shape.ledger(1).BeginAction("step 3");
  shape.Enter(1, LedgerCall::AllGather, 7);
  Expect(shape, HangVerdict::kCertain, 1,
         "rank 1 (step 3): found AllGather 4 of world (Float [7]), expected AllGather 4 of world "
         "(Float [6]) as on ranks 0, 2, 3: wrong shape");
  CallScript root = Steps(2);
  for (const int r : {0, 2, 3}) root.Enter(r, LedgerCall::Broadcast, 8, 0);
  root.Enter(1, LedgerCall::Broadcast, 8, 1);
  EXPECT_THAT(Diagnose(root.States()).text, HasSubstr("wrong root"));
  CallScript operation = Steps(2);
  for (const int r : {0, 2, 3}) operation.Enter(r, LedgerCall::Split);
  operation.Enter(1, LedgerCall::Barrier);
  EXPECT_THAT(Diagnose(operation.States()).text, HasSubstr("another operation"));
}

TEST(HangDiagnosisTest, OfTwoThatDifferTheOneThatLeftItsWayIsTheCulprit) {
  for (const int culprit : {0, 1}) {
    CallScript script(2);
    for (int step = 0; step < 3; ++step) {
      script.All({0, 1}, LedgerCall::Barrier);
      script.All({0, 1}, LedgerCall::AllGather, 4);
    }
    script.Enter(1 - culprit, LedgerCall::Barrier);
    script.Enter(culprit, LedgerCall::AllGather, 4);
    const HangVerdict verdict = Diagnose(script.States());
    EXPECT_EQ(verdict.rank, culprit);
    EXPECT_THAT(verdict.text, HasSubstr("expected Barrier 6 of world as on rank"));
  }
}

TEST(HangDiagnosisTest, RowsThatNobodyAwaits) {
  CallScript script(3);
  for (int r = 0; r < 3; ++r) {
    std::vector<int64_t> send = {2, 2, 2};
    const std::vector<int64_t> receive = {2, 2, 2};
    if (r == 1) send = {3, 2, 3};
    script.ledger(r).BeginCollective(0, LedgerCall::AllToAll,
                                     {.type = 6, .send_rows = send, .receive_rows = receive});
  }
  const HangVerdict verdict = Diagnose(script.States());
  EXPECT_EQ(verdict.rank, 1);
  EXPECT_THAT(verdict.text, HasSubstr("rank 1: found 3 rows for rank 2 in AllToAll 0 of world"));
  EXPECT_THAT(verdict.text, HasSubstr("expected 2, as rank 2 expects: wrong shape"));
}

TEST(HangDiagnosisTest, ASlowPeerIsNamedThroughThoseWhoWaitForOthers) {
  CallScript script = Steps(1);
  script.ledger(3).BeginAction("sft step 2");
  script.EnterHalf(1, LedgerCall::Barrier);   // waits for 3
  script.Enter(0, LedgerCall::AllGather, 4);  // waits for 1, 2 and 3
  script.Enter(2, LedgerCall::AllGather, 4);
  const HangVerdict verdict = Diagnose(script.States());
  EXPECT_EQ(verdict.kind, HangVerdict::kSlow);
  EXPECT_EQ(verdict.rank, 3);
  EXPECT_THAT(verdict.text, HasSubstr("rank 3 (sft step 2): found "));
  EXPECT_THAT(verdict.text,
              HasSubstr("of computing after AllGather 1 of world (Float [4]), expected AllGather 2 "
                        "of world (Float [4]), for which ranks 0, 2 wait: slow peer"));
}

TEST(HangDiagnosisTest, DeadAndSilentAndEndedPeers) {
  CallScript script = Steps(1);
  for (const int r : {0, 1, 2}) script.Enter(r, LedgerCall::Barrier);
  script.SetStatus(3, RankState::kGone);
  Expect(script, HangVerdict::kCertain, 3,
         "rank 3: found its process gone (last heard of in AllGather 1 of world (Float [4])), "
         "expected Barrier 2 of world, for which ranks 0, 1, 2 wait: dead peer");
  script.SetStatus(3, RankState::kSilent);
  Expect(script, HangVerdict::kSilent, 3,
         "rank 3: found a process that does not answer (last heard of in AllGather 1 of world "
         "(Float [4])), expected Barrier 2 of world, for which ranks 0, 1, 2 wait: stopped "
         "process or lost host");
  script.SetStatus(3, RankState::kAnswers);
  script.ledger(3).EndRun();
  Expect(script, HangVerdict::kCertain, 3,
         "rank 3: found the end of its run after AllGather 1 of world (Float [4]), expected "
         "Barrier 2 of world, for which ranks 0, 1, 2 wait: skipped");
}

TEST(HangDiagnosisTest, ADeadPeerIsNamedBeforeAnyoneWaits) {
  CallScript script = Steps(1);
  script.SetStatus(3, RankState::kGone);
  EXPECT_EQ(Diagnose(script.States()).kind, HangVerdict::kCertain);
  EXPECT_EQ(Diagnose(script.States()).rank, 3);
}

TEST(HangDiagnosisTest, ASkippedCallOfASmallerGroupIsACircle) {
  CallScript script = Steps(3);
  script.All({0, 1, 2, 3}, LedgerCall::Broadcast, 8, 0);
  script.Pass(0, 1);
  script.Pass(1, 2);
  script.AllHalf({1, 3}, LedgerCall::Barrier);
  script.EnterHalf(0, LedgerCall::Barrier);  // waits for 2, which all others wait with for 0
  for (const int r : {1, 2, 3}) script.Enter(r, LedgerCall::AllGather, 4);
  Expect(script, HangVerdict::kCircle, 2,
         "rank 2: found AllGather 7 of world (Float [4]), expected Barrier 3 of half, for which "
         "rank 0 waits: skipped or reordered");
}

TEST(HangDiagnosisTest, MessagesOfAnotherShape) {
  CallScript script = Steps(2);
  script.Send(0, 1, /*elements=*/5);
  script.ledger(1).BeginWait(script.Receive(1, 0));
  Expect(script, HangVerdict::kCertain, 0,
         "rank 0: found Send 2 to rank 1, tag 0 (Float [5]), expected Send 2 to rank 1, tag 0 "
         "(Float [4]) as rank 1 expects: wrong shape");
}

// In each, rank 1 waits for a message, and rank 0 for rank 1 in the end.
TEST(HangDiagnosisTest, MessagesToOthersOrWithOtherTags) {
  CallScript peer = Steps(2);
  peer.ledger(0).BeginWait(peer.Send(0, 3));
  peer.ledger(1).BeginWait(peer.Receive(1, 0));
  peer.Enter(2, LedgerCall::AllGather, 4);
  peer.Enter(3, LedgerCall::AllGather, 4);
  Expect(peer, HangVerdict::kCircle, 0,
         "rank 0: found Send 0 to rank 3, tag 0 (Float [4]), expected Send 2 to rank 1, tag 0 "
         "(Float [4]), for which rank 1 waits: wrong peer");
  CallScript tag = Steps(2);
  tag.ledger(0).BeginWait(tag.Send(0, 1));
  tag.ledger(1).BeginWait(tag.Receive(1, 0, 4, /*tag=*/9));
  Expect(tag, HangVerdict::kCircle, 1,
         "rank 1: found Receive 0 from rank 0, tag 9 (Float [4]), expected Receive 2 from rank 0, "
         "tag 0 (Float [4]), for which rank 0 waits: wrong tag");
}

// Rank 1 waits for its receive from rank 0, which has sent; what does not end is its send to rank
// 2, which ends with it.
TEST(HangDiagnosisTest, AMessageOfTheSameExchangeThatIsMissing) {
  CallScript script = Steps(2);
  script.Send(0, 1);
  script.ledger(1).BeginWait(script.Exchange(1, /*to=*/2, /*from=*/0, 0).second);
  for (const int r : {0, 2, 3}) script.Enter(r, LedgerCall::Barrier);
  Expect(script, HangVerdict::kCircle, 2,
         "rank 2: found Barrier 4 of world, expected Receive 2 from rank 1, tag 0 (Float [4]), for "
         "which rank 1 waits: skipped or reordered");
}

TEST(HangDiagnosisTest, ASkippedSendOrReceive) {
  CallScript send = Steps(2);
  send.ledger(1).BeginWait(send.Receive(1, 0));
  for (const int r : {0, 2, 3}) send.Enter(r, LedgerCall::Barrier);
  Expect(send, HangVerdict::kCircle, 0,
         "rank 0: found Barrier 4 of world, expected Send 2 to rank 1, tag 0 (Float [4]), for "
         "which rank 1 waits: skipped or reordered");
  CallScript receive = Steps(2);
  receive.ledger(0).BeginWait(receive.Send(0, 1));
  for (const int r : {1, 2, 3}) receive.Enter(r, LedgerCall::Barrier);
  EXPECT_THAT(Diagnose(receive.States()).text,
              HasSubstr("expected Receive 2 from rank 0, tag 0 (Float [4]), for which rank 0"));
}

// The transport's own business: not an error before the time is over.
TEST(HangDiagnosisTest, WhereAllHaveComeTheTransportIsSlow) {
  CallScript script = Steps(1);
  for (int r = 0; r < 4; ++r) script.Enter(r, LedgerCall::Barrier);
  const HangVerdict verdict = Diagnose(script.States());
  EXPECT_EQ(verdict.kind, HangVerdict::kSlow);
  EXPECT_THAT(verdict.text, HasSubstr("slow or broken transport"));
}

TEST(HangDiagnosisTest, OneRankAloneInACallOfALongRunIsOnlyWaiting) {
  CallScript script = Steps(3);
  script.Enter(0, LedgerCall::AllGather, 99);
  EXPECT_EQ(Diagnose(script.States()).kind, HangVerdict::kSlow);
}

}  // namespace
}  // namespace deduce
