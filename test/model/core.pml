/*
 * The rules of one replica, shared by all models. Numbers L… are the lines of docs/pbft.md.
 *
 * A model that includes this file says first how large its world is (KEYS that may vote, REPLICAS
 * honest processes, HEIGHTS, VIEWS, VALUES) and who counts:
 *   seats(h, x)     the keys whose votes count at height h (for value x, where that matters)
 *   bad(h)          the keys that the adversary holds, as far as height h is concerned
 *   same_set(a, b)  whether heights a and b have the same validator set
 *   key(p)          the key with which replica p signs
 *   entitled(p)     whether replica p may sign for its head + 1
 *   proposable(h,x) whether a free view may propose x at height h
 *
 * Whatever was signed stays in the sets below: anyone may receive it at any time, in any order,
 * again, or never. A vote that the adversary could sign counts as signed. Leaders need no state:
 * every view may be led by a liar who tells each replica something else.
 */
#ifndef set_t
#define set_t byte
#endif
#ifndef quorum
#ifdef MUTANT_QUORUM_SHORT
#define quorum(h) 2
#else
#define quorum(h) 3 /* ⌈(n+f+1)/2⌉ for n = 4, f = 1 */
#endif
#endif
#ifndef seat_of
#define seat_of(keys) (keys)
#endif

#define has(set, id) (((set) >> (id)) & 1)
#ifndef ones
#define ones(set) \
  (has(set, 0) + has(set, 1) + has(set, 2) + has(set, 3) + has(set, 4))
#endif

/* Signed votes: a set of keys for each height, view and value (1 … VALUES). */
#define at(h, v, x) ((((h) - 1) * VIEWS + (v)) * VALUES + (x) - 1)
set_t prepares[HEIGHTS * VIEWS * VALUES];
set_t commits[HEIGHTS * VIEWS * VALUES];
/* Signed view-changes by key, view and head: 0 none, 1 nothing prepared, 2 + view of what is. */
#define vc(id, v, k) view_changes[((id) * VIEWS + (v)) * (HEIGHTS + 1) + (k)]
byte view_changes[KEYS * VIEWS * (HEIGHTS + 1)];
set_t askers[VIEWS];

/* What the votes prove: the value that has a certificate, or 0. */
byte certified[HEIGHTS + 2];
#define quasi(h, v) prepared_values[((h) - 1) * VIEWS + (v)]
byte prepared_values[HEIGHTS * VIEWS];

/* A replica (docs/pbft.md, section 3). */
byte head[REPLICAS];
byte view[REPLICAS];
bool changing[REPLICAS];
byte prepared[REPLICAS] = 1; /* slot.prepared: 2 + its view, or 1 */
byte known[REPLICAS];        /* slot.decided: a certified value whose body is missing, or 0 */
byte bound_height[REPLICAS]; /* H and X of the new-view by which the view was entered; */
byte bound_value[REPLICAS];  /* X is 0 if the view is free */

bool named[HEIGHTS + 1];     /* value 1 was voted for at this height */

/* Scratch: not part of the state. */
hidden byte i, j, m, n, ok, found, fits;

#define next(p) (head[p] + 1)
#define counted(votes, h, x) ones(seat_of(((votes) | bad(h)) & seats(h, x)))
#ifndef is_quorum
#define is_quorum(votes, h, x) (counted(votes, h, x) >= quorum(h))
#endif
#define liars(h) (bad(h) & seats(h, 1))

/* No framing: a pair of an honest validator's votes is never evidence. */
#define no_other_vote(votes, id, h, v, x) \
  for (i : 1 .. VALUES) { assert(i == x || !has(votes[at(h, v, i)], id)) }

/* L4, L5, L19: prepare one proposal a view, the bound one if the view is bound. */
#ifdef has_prepared
#elif defined(MUTANT_UNSAVED)
#define has_prepared(p, x) has(prepares[at(next(p), view[p], x)], key(p))
#else
#define has_prepared(p, x) \
  (has(prepares[at(next(p), view[p], 1)], key(p)) || \
   has(prepares[at(next(p), view[p], 2)], key(p)))
#endif
#ifdef MUTANT_BINDING_IGNORED
#define is_bound(p) false
#else
#define is_bound(p) (bound_value[p] != 0 && bound_height[p] == head[p])
#endif
/* A new-view starts at H + 1: whoever is below H only catches up in that view. */
#ifdef MUTANT_VOTES_BELOW_START
#define is_below_start(p) false
#else
#define is_below_start(p) (bound_height[p] > head[p])
#endif
#define is_idle(p) \
  (entitled(p) && !changing[p] && head[p] < HEIGHTS && known[p] == 0 && !is_below_start(p))
#ifdef MUTANT_EXECUTED_NOT_CHECKED
set_t executed[HEIGHTS * VALUES];
#define was_executed(p, x) has(executed[(next(p) - 1) * VALUES + x - 1], key(p))
#else
#define was_executed(p, x) false
#endif
#define can_prepare(p, x) \
  (is_idle(p) && !has_prepared(p, x) && \
   ((is_bound(p) && bound_value[p] == x) || (!is_bound(p) && proposable(next(p), x)) || \
    was_executed(p, x)))

inline prepare(p, x) {
  no_other_vote(prepares, key(p), next(p), view[p], x);
  prepares[at(next(p), view[p], x)] = prepares[at(next(p), view[p], x)] | (1 << key(p));
  named[next(p)] = true;
#ifdef MUTANT_EXECUTED_NOT_CHECKED
  executed[(next(p) - 1) * VALUES + x - 1] = executed[(next(p) - 1) * VALUES + x - 1] | (1 << key(p));
#endif
  if
  :: is_quorum(prepares[at(next(p), view[p], x)], next(p), x) ->
    /* Certified uniqueness: one prepared value per height and view. */
    assert(quasi(next(p), view[p]) == 0 || quasi(next(p), view[p]) == x);
    quasi(next(p), view[p]) = x;
    fits = 1
  :: else
  fi
}

/* L6: commit what a quorum prepared in this view. */
#ifdef MUTANT_COMMIT_UNPREPARED
#define is_prepared(p, x) true
#else
#define is_prepared(p, x) (quasi(next(p), view[p]) == x)
#endif
#define can_commit(p, x) \
  (is_idle(p) && is_prepared(p, x) && \
   has(prepares[at(next(p), view[p], x)], key(p)) && \
   !has(commits[at(next(p), view[p], x)], key(p)))

inline commit(p, x) {
  no_other_vote(commits, key(p), next(p), view[p], x);
#ifndef MUTANT_COMMIT_UNPREPARED
  prepared[p] = 2 + view[p];
#endif
  commits[at(next(p), view[p], x)] = commits[at(next(p), view[p], x)] | (1 << key(p));
  n = commits[at(next(p), view[p], x)];
  if
  :: is_quorum(n, next(p), x) ->
    /* Certified uniqueness: one certified value per height. Agreement follows by L7. */
    assert(certified[next(p)] == 0 || certified[next(p)] == x);
    certified[next(p)] = x;
    fits = 1
  :: else
  fi
}

/* L7, L16, L17: a certificate moves the head, whatever its view and whoever shows it. */
#define can_decide(p) (head[p] < HEIGHTS && certified[next(p)] != 0)

inline decide(p) {
  head[p] = next(p);
  prepared[p] = 1;
  known[p] = 0;
  if
  :: !same_set(head[p], next(p)) ->
    /* L22: another set begins anew, in view 0. */
    view[p] = 0;
    changing[p] = false;
    bound_height[p] = 0;
    bound_value[p] = 0
  :: else ->
    if
    :: bound_height[p] < head[p] -> bound_height[p] = 0; bound_value[p] = 0
    :: else
    fi
  fi
}

/*
 * L9, L10: stop voting in this view and ask for v. A learner signs nothing, and its view is of no
 * consequence: the set in which it votes begins in view 0.
 */
#ifdef ASKS_MAX
byte asks; /* a bound of the larger worlds: view-changes that honest replicas start, together */
#define can_ask(p, v) (entitled(p) && view[p] < v && asks < ASKS_MAX)
#else
#define can_ask(p, v) (entitled(p) && view[p] < v)
#endif

inline sign_view_change(p, v) {
#ifdef MUTANT_PREPARED_FORGOTTEN
  vc(key(p), v, head[p]) = 1;
#else
  vc(key(p), v, head[p]) = prepared[p];
#endif
  askers[v] = askers[v] | (1 << key(p))
}

inline ask(p, v) {
#ifdef ASKS_MAX
  asks++;
#endif
  sign_view_change(p, v);
#ifndef MUTANT_VOTE_AFTER_VIEW_CHANGE
  view[p] = v;
  changing[p] = true;
  bound_height[p] = 0;
  bound_value[p] = 0
#endif
}

/* L9: a replica that is changing signs its view-change anew when its head has moved. */
#define can_ask_again(p) (entitled(p) && changing[p] && vc(key(p), view[p], head[p]) == 0)

/*
 * L11, L12: a new-view for v may say (H, c) if some q view-changes for v have H as their highest
 * certified head and c as their prepared certificate of the highest view at H + 1 (2 + its view; 1:
 * there is none). Only view-changes signed under the set of H + 1 count. The adversary's say what
 * suits it, but it can show certificates only of what is certified or prepared.
 */
#ifdef MUTANT_LOWEST_PREPARED
#define outranks(a, c) (a > 1 && (c == 1 || a < c))
#else
#define outranks(a, c) (a > c)
#endif
#ifdef MUTANT_VIEW_CHANGES_OF_ANY_SET
#define view_change_counts(k, H) true
#define changers(h) ((1 << KEYS) - 1)
#else
#define view_change_counts(k, H) same_set(k + 1, H + 1)
#define changers(h) seats(h, 1)
#endif

/* Sets `ok`. */
inline choose(v, H, c) {
  ok = liars(H + 1) != 0 && (H == 0 || certified[H] != 0);
  found = c == 1 || (H < HEIGHTS && liars(H + 1) != 0 && quasi(H + 1, c - 2) != 0);
  n = liars(H + 1);
  for (i : 0 .. KEYS - 1) {
    if
    :: has(changers(H + 1) & ~bad(H + 1), i) ->
      fits = 0;
      for (m : 0 .. H) {
        fits = fits || (vc(i, v, m) != 0 && view_change_counts(m, H) &&
                        (m < H || !outranks(vc(i, v, m), c)))
      }
      n = n | (fits << i);
      ok = ok || vc(i, v, H) != 0;
      found = found || vc(i, v, H) == c
    :: else
    fi
  }
  ok = ok && found && ones(seat_of(n)) >= quorum(H + 1)
}

/*
 * L13: enter v by such a new-view, if the set of H + 1 is the one that votes on the own next height:
 * its quorum says nothing about what another set may have committed.
 */
#define may_enter(p, v) (entitled(p) && (view[p] < v || (view[p] == v && changing[p])))
#ifdef MUTANT_NEW_VIEW_OF_EARLIER_SET
#define may_start(p, H) true
#else
#define may_start(p, H) same_set(H + 1, next(p))
#endif

inline enter(p, v, H, c) {
  view[p] = v;
  changing[p] = false;
  bound_height[p] = 0;
  bound_value[p] = 0;
  if
  :: H >= head[p] -> bound_height[p] = H; bound_value[p] = (c > 1 -> quasi(H + 1, c - 2) : 0)
  :: else
  fi;
#ifndef MUTANT_VOTES_BELOW_START
  if
  :: H == next(p) -> known[p] = certified[H]
  :: else
  fi
#endif
}
