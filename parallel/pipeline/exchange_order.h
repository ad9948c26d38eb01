// Chooses the order in which ranks begin sends and receives, and which of them begin together.
#pragma once

#include "parallel/pipeline/plan.h"

namespace deduce {

// Takes a plan in which each send stands by itself after what makes it, and each receive before
// what needs it. Puts sends and receives into exchanges; a receive stays where it stood, as the
// wait for what has been begun.
//
// The order is that of one clock for all ranks, on which a forward takes 1, a backward 2, a part of
// it 1 and a pair 3: a message's time is that of the end of the work that makes it, and each rank
// begins its sends and receives in the order of their messages' times. Then no circle of waits is
// possible, even if each rank ends its transfers strictly in the order in which it begins them: of
// the messages that are not over take the earliest; at both its ends all that came before is over,
// and so is all that the work that makes it rests on.
//
// A send is begun after the work that makes it; a receive while the work before its message's time
// is yet to come, so that it can arrive meanwhile, or later if the order wants that. Transfers that
// are begun between the same two works are one exchange as long as that makes none of them later: a
// send beside what is of the same time, a receive if nothing else of the exchange is used before
// its message's time. In 1F1B an output is so exchanged for the gradient that the neighbour makes
// next.
//
// A schedule that cannot go on is left to the proof, with each transfer by itself where it is
// needed or made.
void OrderExchanges(Plan& plan);

}  // namespace deduce
