//! End to end: the real binaries, a real Postgres, kill -9.
