/*
 * The protocol of the queue as a model. spin goes through every order in which workers, reaper and standby can take their
 * steps. README.md says what is checked and what is left out; ops/check-model.sh runs it.
 *
 * How to read Promela:
 *   proctype        a process; the steps of several are taken in every possible order
 *   atomic          steps that nothing comes between: a statement of the database (one commit) and its answer
 *   if ... fi       each `:: condition -> ...` is an alternative. Of those that are possible every one is tried;
 *                   `else` is possible where no other is; where none is, the process waits. do ... od: again and again
 *   assert          must hold whenever this place is reached
 *   inline          a procedure, pasted where it is used
 */

/* ---- Size ---------------------------------------------------------------------------------------------------- */

#ifndef FAULTS
#define FAULTS 2             /* lost answers, kills, late renewals, errors of a training, releases: together */
#endif
#ifndef FAILOVERS
#define FAILOVERS 1
#endif
#define WORKERS 2            /* A and B */
#define STEPS 2              /* observations of a whole curve */
#define CRASH_LIMIT 2

/* ---- Mutants: what is taken out of the protocol to see what breaks without it --------------------------------- */

#ifndef MUTANT
#define MUTANT NONE
#endif
#define NONE 0
#define NO_FENCE 1           /* workers' statements go by the job alone */
#define NO_WORKER_ID 2       /* ... by job and fence, not by worker */
#define NO_FENCE_NUMBER 3    /* ... by job and worker, not by fence */
#define SHARED_WORKER_ID 4   /* A and B are two slots of one process, with one id */
#define NO_CONTIGUITY 5      /* an observation is taken without the one before it */
#define NO_LAST_STEP 6       /* an ending is taken without the observation that it was decided on */
#define TWO_COMMITS 7        /* finish ends the job in one commit and writes its result in the next */
#define LEASE_ALONE 8        /* reap deletes the lease and leaves the job */
#define NO_REAPER 9          /* expired leases stay */
#define CANCEL_FORGOTTEN 10  /* release, retry and reap do not look whether the lease says cancel */

/* ---- Properties; CHECK names the one to look at, so that it is known which one a mutant breaks ----------------- */

#ifndef CHECK
#define CHECK ALL
#endif
#define ALL 0
#define WRITES 1             /* a write is taken only from the attempt that the lease was given to */
#define RESULTS 2            /* a final job has one result, any other job none */
#define STATES 3             /* a job that runs has a lease, any other job none */
#define CURVES 4             /* a curve has no hole, and a result has the curve that the worker decided on */
#define CANCELS 5            /* a cancelled job is not claimed again */
#define ENDS 6               /* of whole runs: from some moment on the job is final, with its result, for good */
#define must(property, condition) assert((CHECK != ALL && CHECK != property) || (condition))
ltl ends { <> [] (db.state == final && db.results == 1) }

/* ---- The database -------------------------------------------------------------------------------------------- */

mtype:state = { ready, waiting, running, final };

/* One job with its rows. A second one would share no row with it. */
typedef Rows {
  mtype:state state;
  byte fence;
  byte crashes;
  bool leased;               /* there is a row in `lease`, and it says: */
  byte lease_fence;
  byte lease_worker;
  bool lease_cancel;
  byte observations;         /* set of steps, a bit each */
  byte pointers;             /* checkpoints: set of steps */
  byte results;              /* number of rows */
  /* For the properties alone, no statement goes by them: */
  byte attempt;              /* number of the attempt that the lease was given to */
  bool cancelled;
}

Rows db;                     /* the server that answers */
Rows standby;                /* what has reached the standby */

#define bit(step) (1 << ((step) - 1))
#define up_to(step) (bit((step) + 1) - 1)
#define observed(step) ((step) == 0 || (db.observations & bit(step)))
#define newest(set) ((set) >= 2 -> 2 : (set))

/* ---- What a worker believes, whatever the database says by now ------------------------------------------------ */

typedef Belief {
  byte attempt;              /* 0: it believes that it holds no job. For the properties, else `fence` says it */
  byte fence;
  byte step;                 /* the last observation that the database has confirmed to it */
  bool cancelled;
}

Belief worker[WORKERS];
byte claims;                 /* numbers the attempts; unlike a fence no fail-over sets it back */
byte faults = FAULTS;        /* that may still happen */
byte gone;                   /* workers that nobody has started again */

#define idle(w) (worker[w].attempt == 0)

/* ---- The fence ------------------------------------------------------------------------------------------------ */

#if MUTANT == SHARED_WORKER_ID
#define id(w) 0
#else
#define id(w) (w)
#endif

/* The condition by which every statement of a worker finds its rows, or none. */
#if MUTANT == NO_FENCE
#define admitted(w) true
#elif MUTANT == NO_WORKER_ID
#define admitted(w) (db.leased && db.lease_fence == worker[w].fence)
#elif MUTANT == NO_FENCE_NUMBER
#define admitted(w) (db.leased && db.lease_worker == id(w))
#else
#define admitted(w) (db.leased && db.lease_fence == worker[w].fence && db.lease_worker == id(w))
#endif

/* Somebody's renewals extend the lease. */
#define renewed ((!idle(0) && admitted(0)) || (!idle(1) && admitted(1)))

/* ---- Statements ------------------------------------------------------------------------------------------------ */

mtype:answer = { done, refused, behind };
mtype:ending = { finish, cancel, fail, release, retry };

/* What holds after every commit. */
inline committed() {
  must(STATES, db.leased == (db.state == running));
  must(STATES, !db.leased || db.lease_fence == db.fence);
  must(RESULTS, db.results == (db.state == final -> 1 : 0));
  must(CURVES, db.observations != bit(2))
}

inline delete_lease() {
  db.leased = false;
  db.lease_fence = 0;
  db.lease_worker = 0;
  db.lease_cancel = false;
  db.attempt = 0
}

inline end_job() {
  delete_lease();
  db.state = final;
  db.results++
}

/* The attempt is over and the job is not, unless somebody has cancelled it meanwhile. */
inline give_back(next) {
  if
  :: db.lease_cancel && MUTANT != CANCEL_FORGOTTEN -> end_job()
  :: else -> delete_lease(); db.state = next
  fi
}

/* As give_back; the last crash fails the job. */
inline crash(next) {
  db.crashes++;
  if
  :: db.crashes >= CRASH_LIMIT -> end_job()
  :: else -> give_back(next)
  fi
}

/* claim.sql */
inline claim(w) {
  must(CANCELS, !db.cancelled);
  claims++;
  db.state = running;
  db.fence++;
  db.leased = true;
  db.lease_fence = db.fence;
  db.lease_worker = id(w);
  db.attempt = claims;
  printf("%c claims the job: fence %d\n", 'A' + w, db.fence);
  committed()
}

/* record.sql: the next observation, and the pointer to its checkpoint. The same again changes nothing. */
inline record(w) {
  if
  :: !admitted(w) -> answer = refused
  :: admitted(w) && !observed(worker[w].step) && MUTANT != NO_CONTIGUITY -> answer = behind
  :: else ->
    printf("%c records observation %d\n", 'A' + w, worker[w].step + 1);
    must(WRITES, db.attempt == worker[w].attempt);
    db.observations = db.observations | bit(worker[w].step + 1);
    db.pointers = db.pointers | bit(worker[w].step + 1);
    answer = done;
    committed()
  fi
}

/* prune.sql: the pointers before the newest go. */
inline prune(w) {
  if
  :: !admitted(w) -> answer = refused
  :: else ->
    printf("%c prunes checkpoints before step %d\n", 'A' + w, worker[w].step);
    must(WRITES, db.attempt == worker[w].attempt);
    db.pointers = db.pointers & ~up_to(worker[w].step - 1);
    answer = done;
    committed()
  fi
}

/* finish.sql (finish, cancel, fail), release.sql, retry.sql: the lease goes and the job moves. */
inline end_attempt(w) {
  if
  :: !admitted(w) -> answer = refused
  :: admitted(w) && ending == finish && !observed(worker[w].step) && MUTANT != NO_LAST_STEP -> answer = behind
  :: else ->
    printf("%c ends its attempt: %e\n", 'A' + w, ending);
    must(WRITES, db.attempt == worker[w].attempt);
    must(CURVES, ending != finish || observed(worker[w].step));
    if
    :: ending == release -> give_back(ready)
    :: ending == retry -> crash(waiting)
    :: else -> end_job()
    fi;
    answer = done;
#if MUTANT == TWO_COMMITS
    db.results = (ending == finish -> 0 : db.results);
#endif
    committed()
  fi
}

/* reap.sql, after the lease has expired */
inline reap() {
  printf("the lease has expired and is reaped\n");
#if MUTANT == LEASE_ALONE
  delete_lease();
#else
  db.fence++;
  crash(ready);
#endif
  committed()
}

/* cancel.sql: the worker of a running job is told, another job is final at once. */
inline cancel_job() {
  printf("a person cancels the job\n");
  db.cancelled = true;
  if
  :: db.state == running -> db.lease_cancel = true
  :: else -> end_job()
  fi;
  committed()
}

/* ---- Processes -------------------------------------------------------------------------------------------------- */

inline believe(w) {
  worker[w].attempt = db.attempt;
  worker[w].fence = db.fence;
  worker[w].step = newest(db.pointers)                         /* trains on from the newest checkpoint */
}

inline forget(w) {
  worker[w].attempt = 0;
  worker[w].fence = 0;
  worker[w].step = 0;
  worker[w].cancelled = false;
  answer = 0;
  ending = 0
}

/* A worker with one slot. Between any two of its atomic blocks the others may take as many steps as they like: so it is
   frozen, or merely slow. */
proctype Worker(byte me) {
  mtype:answer answer;
  mtype:ending ending;

looking:
  atomic {
    if
    /* The two are alike: A is the one that claims first. */
    :: db.state == ready && (claims > 0 || me == 0) -> claim(me)
    :: else -> goto looking                                    /* polls */
    fi;
    if
    :: believe(me)
    :: faults > 0 -> faults--; goto looking                    /* the answer was lost: nobody renews this lease */
    fi
  }

training:
  atomic {
    if
    :: worker[me].cancelled -> ending = cancel; goto leaving
    :: !worker[me].cancelled && worker[me].step < STEPS                               /* trained: records it, below */
    :: !worker[me].cancelled && worker[me].step > 0 -> ending = finish; goto leaving  /* predicted, or at its end */
    /* The thread that renews hears that the lease is lost, or that the job is cancelled. */
    :: !admitted(me) -> goto dropping
    :: admitted(me) && db.lease_cancel && !worker[me].cancelled -> worker[me].cancelled = true; goto training
    :: faults > 0 -> faults--; ending = release; goto leaving  /* SIGTERM, or the host is at fault */
    :: faults > 0 -> faults--; ending = retry; goto leaving    /* a passing error */
    :: faults > 0 -> faults--; ending = fail; goto leaving     /* a lasting error */
    :: faults > 0 -> faults--; goto killed
    fi;
    record(me);
    if
    :: answer == done -> worker[me].step++; worker[me].cancelled = db.lease_cancel
    :: answer == done && faults > 0 -> faults--; answer = 0; goto training     /* the answer was lost: again */
    :: answer == refused -> goto dropping
    :: answer == behind -> ending = release; goto leaving
    fi
  }
  atomic {
    prune(me);
    if
    :: answer == done -> answer = 0; goto training
    :: answer == refused -> goto dropping
    fi
  }

leaving:
  atomic {
    end_attempt(me);
    if
    :: answer == done
    :: answer == done && faults > 0 -> faults--; goto leaving              /* the answer was lost: again */
    :: answer == refused
    :: answer == behind -> ending = release; goto leaving
    fi
  }
#if MUTANT == TWO_COMMITS
  if
  :: atomic { answer == done && ending == finish -> db.results++; committed() }
  :: answer != done || ending != finish
  :: faults > 0 -> faults--; goto killed
  fi;
#endif

dropping:
  atomic { forget(me); goto looking }

killed:
  atomic {
    printf("%c is killed\n", 'A' + me);
    forget(me);
    if
    :: goto looking                                            /* started again */
    :: gone < WORKERS - 1 -> gone++                            /* never, as long as somebody is left */
    fi
  }
}

/* What the workers do for all: reap what nobody renews, and wake what waits. */
proctype Maintenance() {
end:
  do
  :: atomic { db.leased && !renewed && MUTANT != NO_REAPER -> reap() }
  :: atomic { db.state == waiting -> db.state = ready; committed() }
  od
}

/* Comes from outside, or not: a lease expires under a living worker, which was frozen (SIGSTOP), cut off or late, and
   goes on as if nothing had happened; a person cancels the job. */
proctype Trouble() {
  do
  :: atomic { faults > 0 && db.leased && MUTANT != NO_REAPER -> faults--; reap() }
  :: atomic { db.state != final && !db.cancelled -> cancel_job() }
  :: break
  od
}

inline copy(from, to) {
  to.state = from.state;
  to.fence = from.fence;
  to.crashes = from.crashes;
  to.leased = from.leased;
  to.lease_fence = from.lease_fence;
  to.lease_worker = from.lease_worker;
  to.lease_cancel = from.lease_cancel;
  to.observations = from.observations;
  to.pointers = from.pointers;
  to.results = from.results;
  to.attempt = from.attempt;
  to.cancelled = from.cancelled
}

/* The standby has every commit up to some moment. At a later one it is promoted, and what came between is lost. */
proctype FailOver() {
  Rows nothing;

  atomic {
    copy(db, standby);
    printf("the standby has what came before, and nothing of what follows\n")
  }
  atomic {
    copy(standby, db);
    copy(nothing, standby);
    printf("the standby is promoted\n")
  }
}

init {
  atomic {
    db.state = ready;
    run Worker(0);
    run Worker(1);
    run Maintenance();
    run Trouble();
#if FAILOVERS
    run FailOver()
#endif
  }
}
