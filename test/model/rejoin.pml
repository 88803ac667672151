/*
 * A validator loses its tables and its session key, follows as a learner, and votes again under a new
 * incarnation when its rejoin acts. Two views.
 *
 *   keys   0, 1  honest     2  the validator that is wiped, under its old incarnation
 *          3     the other  4  the same validator as 2, under its new incarnation
 *
 * - As it is, three heights: 2 may vote before the wipe and has forgotten everything after it; 3 lies.
 *   Value 2 at height 1 is the block with the rejoin, which is signed after the wipe: it acts at 3.
 * - With CLONED, two heights: the adversary has the old key of 2, which is therefore the one that may
 *   lie (f = 1) at height 1. The rejoin acts at height 2: from there on 3 lies, and the old key of 2 is
 *   still out. This is more than f at once, and safe only because the old incarnation counts no more.
 */
#define VIEWS 2
#define VALUES 2
#define KEYS 5
#define ALIKE 2
#define original 15 /* keys 0, 1, 2, 3 */
#define rejoined 27 /* keys 0, 1, 3, 4 */

#ifdef CLONED
#define HEIGHTS 2
#define acts(h, x) ((h) > 1)
#else
#define HEIGHTS 3
#ifdef MUTANT_NO_DELAY
/* The block with the rejoin is itself voted on by the set that it makes. */
#define acts(h, x) (certified[1] == 2 || ((h) == 1 && (x) == 2))
#else
#define acts(h, x) ((h) > 2 && certified[1] == 2) /* ACTIVATION_DELAY is 2 */
#endif
#define is_over (certified[1] == 1) /* no rejoin within these heights: pbft.pml covers it */
#endif

/* Some broken variants count a seat by the name of its validator, whatever the incarnation. */
#if defined(MUTANT_OLD_INCARNATION_COUNTED) || defined(MUTANT_VOTES_AT_ONCE)
#define seat_of(keys) (((keys) & 15) | (has(keys, 4) << 2))
#endif
#ifdef MUTANT_VOTES_AT_ONCE
#define seats(h, x) 31
#elif defined(MUTANT_OLD_INCARNATION_COUNTED)
#define seats(h, x) (acts(h, x) -> 31 : original)
#else
#define seats(h, x) (acts(h, x) -> rejoined : original)
#endif
#define same_set(a, b) (acts(a, 1) == acts(b, 1))

bool wiped;

#ifdef CLONED
#define REPLICAS 4
#define bad(h) ((h) > 1 -> 12 : 4)
#define is_wiped true
#define key(p) (p == 2 -> 4 : p)
#define keys_of(p) (p == 2 -> 16 : 1 << (p))
#define is_seated(p) (p != 3 || next(p) == 1)
#else
#define REPLICAS 3
#define bad(h) 8
#define is_wiped wiped
#define key(p) (p == 2 && wiped -> 4 : p)
#define keys_of(p) (p == 2 -> 16 + 4 * (1 - wiped) : 1 << (p))
#define is_seated(p) true
#endif

/* L18: who forgot is a learner until its new incarnation acts. */
#if defined(MUTANT_VOTES_AT_ONCE) || defined(MUTANT_NO_DELAY)
#define entitled(p) is_seated(p)
#else
#define entitled(p) (is_seated(p) && (p != 2 || !is_wiped || acts(next(p), 1)))
#endif
#ifdef CLONED
#define proposable(h, x) (x == 1 || named[h])
#else
#define proposable(h, x) (x == 1 || ((h) == 1 && is_wiped) || ((h) == 3 && named[h]))
#endif

inline wipe(p) {
  wiped = true;
  head[p] = 0;
  view[p] = 0;
  changing[p] = false;
  prepared[p] = 1;
  known[p] = 0;
  bound_height[p] = 0;
  bound_value[p] = 0
}

#ifndef CLONED
#define OTHER_STEPS(p) \
  :: d_step { p == 2 && !wiped -> wipe(p); forget() }
#endif

#include "core.pml"
#include "replica.pml"
