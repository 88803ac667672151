/*
 * What a replica may do next: each option is one atomic step (functions/validator/step.ts: nothing
 * leaves a step but what it has saved). Then two reductions, which lose no counterexample.
 */

/* Replicas 0 … ALIKE - 1 are alike: they are numbered in the order in which they first act. */
byte begun;
#ifndef is_over
#define is_over false
#endif
#define may_act(p) ((p >= ALIKE || p <= begun) && !is_over)

inline begin(p) {
  if
  :: p == begun && p < ALIKE -> begun++
  :: else
  fi
}

/*
 * What can no longer matter is forgotten, so that states which differ in nothing else are one: votes
 * of a view, of those who cannot vote there any more, once their quorum is there or out of reach; and
 * view-changes by which no replica can enter any more.
 */
#define may_vote(p, h, v) (head[p] < h && (view[p] <= v || !same_set(h, next(p))))

inline forget() {
  for (n : 1 .. HEIGHTS) {
    for (j : 0 .. VIEWS - 1) {
      i = 0; /* the keys that may still vote here */
      for (m : 0 .. REPLICAS - 1) {
        i = i | (may_vote(m, n, j) -> keys_of(m) : 0)
      }
      for (m : 1 .. VALUES) {
        if
        :: quasi(n, j) == m || !is_quorum(prepares[at(n, j, m)] | i, n, m) ->
          prepares[at(n, j, m)] = prepares[at(n, j, m)] & i
        :: else
        fi;
        if
        :: certified[n] == m || !is_quorum(commits[at(n, j, m)] | i, n, m) ->
          commits[at(n, j, m)] = commits[at(n, j, m)] & i
        :: else
        fi
      }
    }
  }
  for (j : 1 .. VIEWS - 1) {
    fits = 0;
    for (m : 0 .. REPLICAS - 1) {
      fits = fits || (head[m] < HEIGHTS && (may_enter(m, j) || !same_set(HEIGHTS, next(m))))
    }
    if
    :: !fits ->
      for (i : 0 .. KEYS - 1) {
        for (m : 0 .. HEIGHTS) {
          vc(i, j, m) = 0
        }
      }
      askers[j] = 0
    :: else
    fi
  }
  skip
}

/*
 * At the last height of the model a replica can do nothing more but ask for views. It does so at
 * once for all of them: a view-change that is there enables steps and forbids none.
 */
inline retire(p) {
  if
  :: head[p] == HEIGHTS ->
    n = view[p] + 1 - changing[p];
    for (j : n .. VIEWS - 1) {
      if
      :: entitled(p) -> sign_view_change(p, j)
      :: else
      fi
    }
    view[p] = VIEWS;
    changing[p] = false;
    bound_height[p] = 0
  :: else
  fi
}

#define VOTE(p, guard, action) \
  :: d_step { may_act(p) && guard -> fits = 0; action; if :: fits -> forget() :: else fi; begin(p) }
#define STEP(p, guard, action) \
  :: d_step { may_act(p) && guard -> action; forget(); begin(p) }

inline try_to_enter(p, v) {
  if
  :: H = 0
  :: certified[1] != 0 -> H = 1
#if HEIGHTS > 1
  :: certified[2] != 0 -> H = 2
#endif
#if HEIGHTS > 2
  :: certified[3] != 0 -> H = 3
#endif
  fi;
  if
  :: c = 1
  :: H < HEIGHTS && quasi(H + 1, 0) != 0 -> c = 2
#if VIEWS > 2
  :: H < HEIGHTS && v > 1 && quasi(H + 1, 1) != 0 -> c = 3
#endif
#if VIEWS > 3
  :: H < HEIGHTS && v > 2 && quasi(H + 1, 2) != 0 -> c = 4
#endif
  fi;
  d_step {
    choose(v, H, c);
    if
    :: ok && may_start(p, H) -> enter(p, v, H, c); forget(); begin(p)
    :: else
    fi;
    H = 0;
    c = 0
  }
}

#define is_asked(v) (ones(askers[v]) + 1 >= quorum(1))
#define ENTER(p, v) \
  :: atomic { may_act(p) && head[p] < HEIGHTS && may_enter(p, v) && is_asked(v) -> try_to_enter(p, v) }

#ifndef OTHER_STEPS
#define OTHER_STEPS(p)
#endif

active [REPLICAS] proctype replica() {
  byte H, c;
end:
  do
  VOTE(_pid, can_prepare(_pid, 1), prepare(_pid, 1))
  VOTE(_pid, can_prepare(_pid, 2), prepare(_pid, 2))
  VOTE(_pid, can_commit(_pid, 1), commit(_pid, 1))
  VOTE(_pid, can_commit(_pid, 2), commit(_pid, 2))
  STEP(_pid, can_decide(_pid), decide(_pid); retire(_pid))
  STEP(_pid, can_ask(_pid, 1), ask(_pid, 1))
  STEP(_pid, can_ask_again(_pid), sign_view_change(_pid, view[_pid]))
  ENTER(_pid, 1)
#if VIEWS > 2
  STEP(_pid, can_ask(_pid, 2), ask(_pid, 2))
  ENTER(_pid, 2)
#endif
#if VIEWS > 3
  STEP(_pid, can_ask(_pid, 3), ask(_pid, 3))
  ENTER(_pid, 3)
#endif
  OTHER_STEPS(_pid)
  od
}
