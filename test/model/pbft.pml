/*
 * One height or several: four replicas of which one lies, two values per height. More values would
 * show nothing more: rename the value of one certificate to 1 and all others to 2, and a
 * counterexample stays one.
 */
#ifndef HEIGHTS
#define HEIGHTS 1
#endif
#ifndef VIEWS
#define VIEWS 3
#endif
#define VALUES 2
#define KEYS 4
#define REPLICAS 3
#define ALIKE 3

#define seats(h, x) 15
#define bad(h) 8
#define same_set(a, b) true
#define key(p) p
#define keys_of(p) (1 << (p))
#define entitled(p) true

/* Values are alike: they are numbered in the order in which they are first voted for. */
#define proposable(h, x) (x == 1 || named[h])

#include "core.pml"
#include "replica.pml"
