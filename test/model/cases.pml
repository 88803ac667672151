/*
 * A case ledger (L23): block h is voted on by the set that governs the main height which block h - 1
 * pins; block 1 by that of the block which opened the case. So a set acts at the very next height, and
 * which height that is follows from what is decided.
 *
 * The main ledger is agreed on by itself. Of it there are two blocks to pin: the earlier one is governed
 * by the old set, the later one by the changed one. Whoever votes first for a block says which it pins.
 * A replica that is behind on the main ledger waits; here none has to, which allows all that waiting does.
 *
 * Keys 0 … 3 are the old set, of which 3 lies.
 * - As it is: 4 takes the seat of 2, who leaves. Once the case has pinned that, 2 may be anybody's.
 * - With SUSPENSION: 3 is suspended. Once the case has pinned that, the network bears a second liar: 2.
 */
#ifndef HEIGHTS
#define HEIGHTS 2
#endif
#define VIEWS 2
#define VALUES 2
#define KEYS 5
#define ALIKE 2
#define original 15 /* keys 0, 1, 2, 3 */

/* What a block pins; 0 while nobody has voted for it. */
#define EARLIER 1
#define LATER 2
#define pin(h, x) pins[((h) - 1) * VALUES + (x) - 1]
byte pins[HEIGHTS * VALUES];
#define pins_later(h) ((h) > 0 && certified[h] != 0 && pin(h, certified[h]) == LATER)

#ifdef MUTANT_OWN_PIN
/* A block is voted on by the set of the main height that it pins itself. */
#define acts(h, x) ((h) <= HEIGHTS && pin(h, x) == LATER)
#else
#define acts(h, x) pins_later((h) - 1)
#endif

#ifdef SUSPENSION
#define REPLICAS 3
#define key(p) p
#define changed 7 /* keys 0, 1, 2 */
#define is_seated(p) (p < 2 || !acts(next(p), 1))
#else
#define REPLICAS 4
#define key(p) (p == 3 -> 4 : p)
#define changed 27 /* keys 0, 1, 3, 4 */
#define is_seated(p) (p < 2 || (p == 2) != acts(next(p), 1))
#endif

#if defined(MUTANT_OWN_PIN) || defined(MUTANT_OWN_MAIN_HEAD)
#define entitled(p) true
#else
#define entitled(p) is_seated(p)
#endif
#ifdef MUTANT_OWN_MAIN_HEAD
/* Everybody judges by the set at the own main head: 0 and 2 are behind, 1 and 4 are not. */
#define is_quorum(votes, h, x) \
  (ones(((votes) | bad(h)) & 13) >= quorum(h) || ones(((votes) | bad(h)) & 26) >= quorum(h))
#endif
#define seats(h, x) (acts(h, x) -> changed : original)

#ifdef MUTANT_PIN_GOES_BACK
#define may_pin(h, k) (k == EARLIER || (h) < HEIGHTS)
#define bad(h) (pins_later((h) - 1) || pins_later((h) - 2) -> 12 : 8)
#elif defined(MUTANT_OWN_PIN)
#define may_pin(h, k) (k == LATER || !pins_later((h) - 1))
#define bad(h) (pins_later((h) - 1) -> 12 : 8)
#else
/* What the last block pins governs nothing any more. */
#define may_pin(h, k) (pins_later((h) - 1) -> k == LATER : k == EARLIER || (h) < HEIGHTS)
#define bad(h) (pins_later((h) - 1) -> 12 : 8)
#endif
#define keys_of(p) (1 << key(p))

/* Who votes at a height is known with the block before. */
#define is_known(h) ((h) == 1 || certified[(h) - 1] != 0)
#define same_set(a, b) \
  ((a) == (b) || (is_known(a) && is_known(b) && pins_later((a) - 1) == pins_later((b) - 1)))

/* Values are alike: they are numbered in the order in which they are first voted for. */
#define proposable(h, x) (pin(h, x) != 0)
#define can_pin(p, x, k) \
  (is_idle(p) && !is_bound(p) && !has_prepared(p, x) && pin(next(p), x) == 0 && \
   (x == 1 || pin(next(p), 1) != 0) && may_pin(next(p), k))

#define PROPOSE(p, x, k) VOTE(p, can_pin(p, x, k), pin(next(p), x) = k; prepare(p, x))
#define OTHER_STEPS(p) \
  PROPOSE(p, 1, EARLIER) \
  PROPOSE(p, 1, LATER) \
  PROPOSE(p, 2, EARLIER) \
  PROPOSE(p, 2, LATER)

#include "core.pml"
#include "replica.pml"
