/*
 * Replays what the replicas of a run did against the rules of core.pml. `trace.pml` is generated
 * (test/model/trace.ts): the sizes, who counts at which height, and EVENTS, the run itself. Each
 * event is sent to the one process below, which takes it only if the rules allow the step. What the
 * trace does not say (which view-changes a new-view holds) Spin searches for. The whole trace is
 * allowed if the last statement is reached.
 */
#include "trace.pml"

#define has_prepared(p, x) (found != 0)
#define proposable(h, x) true
#include "core.pml"

mtype = { PREPARE, COMMIT, ASK, ENTER, DECIDE, END };
chan play = [0] of { mtype, byte, byte, byte, byte, byte };

c_decl { static int furthest; }
int taken; /* events so far */

inline took() {
  taken++;
  c_code { if (now.taken > furthest) { furthest = now.taken; printf("took %d\n", furthest); } }
}

/* The view that a value was prepared in is told as 2 + view, as everywhere in these models. */
active proctype replicas() {
  mtype what;
  byte p, h, v, x, c, H;
end:
  do
  :: atomic {
      play ? what, p, h, v, x, c;
      if
      :: what == PREPARE ->
        found = 0;
        for (i : 1 .. VALUES) {
          found = found | has(prepares[at(h, v, i)], key(p))
        }
        next(p) == h && view[p] == v && can_prepare(p, x);
        prepare(p, x)
      :: what == COMMIT ->
        next(p) == h && view[p] == v && can_commit(p, x);
        commit(p, x)
      :: what == ASK ->
        next(p) == h && c == prepared[p] && (c == 1 || quasi(h, c - 2) == x);
        if
        :: can_ask(p, v) -> ask(p, v)
        :: view[p] == v && can_ask_again(p) -> sign_view_change(p, v)
        fi
      :: what == ENTER ->
        if
        :: !entitled(p)
        :: entitled(p) && view[p] == v && !changing[p]
        :: may_enter(p, v) ->
          select(H : 0 .. HEIGHTS);
          select(c : 1 .. v + 1);
          choose(v, H, c);
          ok && may_start(p, H);
          enter(p, v, H, c);
          H = 0
        fi
      :: what == DECIDE ->
        is_quorum(commits[at(h, v, x)], h, x) && certified[h] == x && head[p] < h;
        head[p] = h - 1;
        decide(p)
      :: what == END
      fi;
      what = 0; p = 0; h = 0; v = 0; x = 0; c = 0;
      took()
    }
  od
}

init {
  EVENTS
  play ! END, 0, 0, 0, 0, 0; /* the event before was taken */
  assert(false) /* the whole trace is allowed */
}
