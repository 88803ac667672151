/*
 * A validator loses its tables and its session key, follows as a learner, and votes again under a new
 * incarnation when its rejoin acts. Three heights, two views.
 *
 *   keys   0, 1  honest     2  the validator that is wiped, under its old incarnation
 *          3     the other  4  the same validator as 2, under its new incarnation
 *
 * Value 2 at height 1 is the block with the rejoin transaction, which is signed after the wipe.
 * - As it is: 2 may vote before the wipe and has forgotten everything after it; 3 lies.
 * - With CLONED: the adversary has the old key of 2 as well, from the start. Until the rejoin acts 2
 *   is the one that may lie (f = 1) and 3 is honest; from then on 3 lies, and the old key is still out.
 */
#define HEIGHTS 3
#define VIEWS 2
#define VALUES 2
#define KEYS 5
#define ALIKE 2

#ifdef MUTANT_NO_DELAY
#define delay 0
#else
#define delay 2 /* ACTIVATION_DELAY in lib/wire/governed.ts */
#endif
#define acts(h, x) ((h) > delay && (certified[1] == 2 || (delay == 0 && (h) == 1 && (x) == 2)))
#define rejoined 27 /* keys 0, 1, 3, 4 */
#define original 15 /* keys 0, 1, 2, 3 */

#if defined(MUTANT_OLD_INCARNATION_COUNTED)
#define seats(h, x) (acts(h, x) -> 31 : original)
#define seat_of(keys) (((keys) & 15) | (has(keys, 4) << 2))
#elif defined(MUTANT_VOTES_AT_ONCE)
#define seats(h, x) 31
#define seat_of(keys) (((keys) & 15) | (has(keys, 4) << 2))
#else
#define seats(h, x) (acts(h, x) -> rejoined : original)
#endif
#define is_over (certified[1] == 1) /* no rejoin within these heights: pbft.pml covers it */
#define same_set(a, b) (seats(a, 1) == seats(b, 1))

bool wiped;

#ifdef CLONED
#define REPLICAS 4
#define bad(h) (acts(h, 1) -> 12 : 4)
#define is_wiped true
#define key(p) (p == 2 -> 4 : p)
#define keys_of(p) (p == 2 -> 16 : 1 << (p))
#define sits(p) (p != 3 || !acts(next(p), 1))
#else
#define REPLICAS 3
#define bad(h) 8
#define is_wiped wiped
#define key(p) (p == 2 && wiped -> 4 : p)
#define keys_of(p) (p == 2 -> 16 + 4 * (1 - wiped) : 1 << (p))
#define sits(p) true
#endif

#ifdef MUTANT_VOTES_AT_ONCE
#define entitled(p) sits(p)
#else
#define entitled(p) (sits(p) && (p != 2 || !is_wiped || acts(next(p), 1) || (delay == 0 && head[p] == 0)))
#endif
#define proposable(h, x) \
  (x == 1 || (h == 1 && is_wiped) || (h == 3 && named[h]))

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
