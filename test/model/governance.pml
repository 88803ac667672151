/*
 * The validator set changes: height 1 is the last of the old set, height 2 the first of the new one.
 * What changed it was committed at the height before 1 (h acts at h + 2). Keys 0 … 3 are the old set,
 * of which 3 lies.
 * - As it is: 4 takes the seat of 2, who leaves. From height 2 on 2 may be anybody's.
 * - With SUSPENSION: 3 is suspended. Its votes count no more, and n, f and the quorum stay: so the
 *   network bears a second liar, which is 2 from height 2 on.
 */
#ifndef HEIGHTS
#define HEIGHTS 2
#endif
#define VIEWS 2
#define VALUES 2
#define KEYS 5
#define ALIKE 2

#ifdef MUTANT_NO_DELAY
/* The block of value 2 at height 1 changes the set by which its own votes are judged. */
#define acts(h, x) ((h) > 1 || (x) == 2)
#else
#define acts(h, x) ((h) > 1)
#endif

#ifdef SUSPENSION
#define REPLICAS 3
#define key(p) p
#ifdef MUTANT_SUSPENDED_COUNTED
#define changed 15
#else
#define changed 7 /* keys 0, 1, 2 */
#endif
#ifdef MUTANT_QUORUM_SHRINKS
#define quorum(h) ((h) > 1 -> 2 : 3)
#endif
#define entitled(p) (p < 2 || next(p) == 1)
#else
#define REPLICAS 4
#define key(p) (p == 3 -> 4 : p)
#ifdef MUTANT_REMOVED_COUNTED
#define changed 31
#else
#define changed 27 /* keys 0, 1, 3, 4 */
#endif
#ifdef MUTANT_NO_DELAY
#define entitled(p) true
#else
#define entitled(p) (p < 2 || (p == 2) == (next(p) == 1))
#endif
#endif

#define seats(h, x) (acts(h, x) -> changed : 15)
#define bad(h) ((h) > 1 -> 12 : 8)
#define keys_of(p) (1 << key(p))
#define same_set(a, b) (((a) > 1) == ((b) > 1))
#ifdef MUTANT_NO_DELAY
#define proposable(h, x) true
#else
#define proposable(h, x) (x == 1 || named[h]) /* alike, as in pbft.pml */
#endif

#include "core.pml"
#include "replica.pml"
