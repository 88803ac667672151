/*
 * A change of the validator set is in the block of value 2 at height 1 and acts at height 3. Three
 * heights, two views; keys 0 … 3 are the first set, of which 3 lies.
 * - As it is: 4 takes the seat of 2, who leaves. From height 3 on 2 may be anybody's.
 * - With SUSPENSION: 3 is suspended. Its votes count no more, and n, f and the quorum stay: so the
 *   network bears a second liar, which is 2 from height 3 on.
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
#define original 15 /* keys 0, 1, 2, 3 */

#ifdef SUSPENSION
#define REPLICAS 3
#define key(p) p
#ifdef MUTANT_SUSPENDED_COUNTED
#define changed 15
#else
#define changed 7 /* keys 0, 1, 2 */
#endif
#ifdef MUTANT_QUORUM_SHRINKS
#define quorum(h) (acts(h, 1) -> 2 : 3)
#endif
#define entitled(p) (p < 2 || !acts(next(p), 1))
#else
#define REPLICAS 4
#define key(p) (p == 3 -> 4 : p)
#ifdef MUTANT_REMOVED_COUNTED
#define changed 31
#else
#define changed 27 /* keys 0, 1, 3, 4 */
#endif
#define entitled(p) (p < 2 || (p == 2) != acts(next(p), p - 1))
#endif

#define seats(h, x) (acts(h, x) -> changed : original)
#define bad(h) (acts(h, 1) -> 12 : 8)
#define keys_of(p) (1 << key(p))
#define same_set(a, b) (acts(a, 1) == acts(b, 1))
#define is_over (certified[1] == 1) /* nothing acts within these heights: pbft.pml covers it */
#define proposable(h, x) (x == 1 || h == 1 || (h == 3 && named[h]))

#include "core.pml"
#include "replica.pml"
