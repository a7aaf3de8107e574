//! The tables as diesel sees them. Written by `tests/schema.rs`; do not edit.
#![expect(missing_docs, reason = "the migrations comment every column")]
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "as diesel prints it"))]

/// Enums of Postgres.
pub mod sql_types {
    /// `attempt_end`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "attempt_end"))]
    pub struct AttemptEnd;

    /// `decision`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "decision"))]
    pub struct Decision;

    /// `job_mode`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "job_mode"))]
    pub struct JobMode;

    /// `job_state`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "job_state"))]
    pub struct JobState;

    /// `outcome`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "outcome"))]
    pub struct Outcome;

    /// `search_state`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "search_state"))]
    pub struct SearchState;

    /// `worker_state`
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "worker_state"))]
    pub struct WorkerState;
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    architecture (id) {
        id -> BigInt,
        search_id -> BigInt,
        hash -> Text,
        genome -> Jsonb,
        summary -> Text,
        parameters -> BigInt,
        flops -> BigInt,
        generation -> Integer,
        parents -> Array<Nullable<BigInt>>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    attempt (job_id, fence) {
        job_id -> BigInt,
        fence -> BigInt,
        worker_id -> Uuid,
        started_at -> Timestamptz,
        first_step -> Nullable<Integer>,
        ended_at -> Nullable<Timestamptz>,
        #[sql_name = "end"]
        end_ -> Nullable<AttemptEnd>,
        error -> Nullable<Text>,
        log -> Nullable<Text>,
        chance -> Nullable<Double>,
        calibration -> Nullable<BigInt>,
        repeated -> Nullable<Integer>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    checkpoint (job_id, step) {
        job_id -> BigInt,
        step -> Integer,
        fence -> BigInt,
        uri -> Text,
        bytes -> BigInt,
        sha256 -> Text,
        created_at -> Timestamptz,
        key -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    compatibility (only_row) {
        only_row -> Bool,
        oldest_schema -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    discarded_checkpoint (id) {
        id -> BigInt,
        job_id -> BigInt,
        fence -> BigInt,
        bytes -> BigInt,
        discarded_at -> Timestamptz,
        taken_at -> Nullable<Timestamptz>,
        step -> Integer,
        key -> Nullable<Text>,
        uri -> Text,
        sha256 -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    event (id) {
        id -> BigInt,
        at -> Timestamptz,
        search_id -> Nullable<BigInt>,
        job_id -> Nullable<BigInt>,
        worker_id -> Nullable<Uuid>,
        kind -> Text,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    finish (id) {
        id -> BigInt,
        search_id -> BigInt,
        job_id -> BigInt,
        ordinal -> Nullable<BigInt>,
        fitness -> Nullable<Double>,
        finished_at -> Timestamptz,
        step -> Integer,
        outcome -> Outcome,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    freezing (id) {
        id -> BigInt,
        search_id -> BigInt,
        job_id -> BigInt,
        ordinal -> Nullable<BigInt>,
        frozen_at -> Timestamptz,
        step -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    identity (one) {
        one -> Bool,
        id -> Uuid,
        store_id -> Nullable<Uuid>,
        store_url -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    job (id) {
        id -> BigInt,
        search_id -> BigInt,
        architecture_id -> BigInt,
        seed -> BigInt,
        fence -> BigInt,
        run_after -> Nullable<Timestamptz>,
        state -> JobState,
        mode -> JobMode,
        priority -> SmallInt,
        attempts -> SmallInt,
        crashes -> SmallInt,
        class -> Text,
        losses -> SmallInt,
        crash_step -> Nullable<Integer>,
        crash_hosts -> Nullable<Array<Nullable<Text>>>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    lease (job_id) {
        job_id -> BigInt,
        fence -> BigInt,
        worker_id -> Uuid,
        ttl -> Interval,
        expires_at -> Timestamptz,
        cancel -> Bool,
        thaw -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    maintenance (name) {
        name -> Text,
        last_at -> Timestamptz,
        holder -> Nullable<Uuid>,
        until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    observation (job_id, step) {
        job_id -> BigInt,
        fence -> BigInt,
        epoch -> Double,
        val_acc -> Double,
        train_acc -> Nullable<Double>,
        val_loss -> Nullable<Double>,
        train_loss -> Nullable<Double>,
        seconds -> Nullable<Double>,
        prediction -> Nullable<Double>,
        low_80 -> Nullable<Double>,
        high_80 -> Nullable<Double>,
        low_90 -> Nullable<Double>,
        high_90 -> Nullable<Double>,
        calibration -> Nullable<BigInt>,
        recorded_at -> Timestamptz,
        step -> Integer,
        decision -> Nullable<Decision>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    result (job_id) {
        job_id -> BigInt,
        search_id -> BigInt,
        fence -> BigInt,
        step -> Integer,
        outcome -> Outcome,
        epochs -> Double,
        seconds -> Double,
        last_fitness -> Nullable<Double>,
        best_fitness -> Nullable<Double>,
        final_fitness -> Nullable<Double>,
        stop_epoch -> Nullable<Double>,
        stop_seconds -> Nullable<Double>,
        stop_fitness -> Nullable<Double>,
        prediction -> Nullable<Double>,
        low_80 -> Nullable<Double>,
        high_80 -> Nullable<Double>,
        low_90 -> Nullable<Double>,
        high_90 -> Nullable<Double>,
        fitness -> Nullable<Double>,
        error -> Nullable<Text>,
        finished_at -> Timestamptz,
        stop_prediction -> Nullable<Double>,
        stop_low_80 -> Nullable<Double>,
        stop_high_80 -> Nullable<Double>,
        stop_low_90 -> Nullable<Double>,
        stop_high_90 -> Nullable<Double>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    scheduler_state (search_id) {
        search_id -> BigInt,
        ordinal -> BigInt,
        learned_id -> BigInt,
        fingerprint -> Text,
        state -> Bytea,
        kept_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    search (id) {
        id -> BigInt,
        name -> Text,
        state -> SearchState,
        spec -> Jsonb,
        spec_hash -> Text,
        engine -> Text,
        max_epochs -> Double,
        interval -> Double,
        budget -> Integer,
        version -> Text,
        created_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        proposing -> Bool,
        archived_at -> Nullable<Timestamptz>,
        deleting_since -> Nullable<Timestamptz>,
        priority -> SmallInt,
        max_running -> Nullable<Integer>,
        submitted_by -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::*;

    worker (id) {
        id -> Uuid,
        host -> Text,
        pid -> Integer,
        class -> Text,
        device -> Text,
        version -> Text,
        state -> WorkerState,
        started_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        stopped_at -> Nullable<Timestamptz>,
        fault -> Nullable<Text>,
        fault_at -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    architecture,
    attempt,
    checkpoint,
    compatibility,
    discarded_checkpoint,
    event,
    finish,
    freezing,
    identity,
    job,
    lease,
    maintenance,
    observation,
    result,
    scheduler_state,
    search,
    worker
);
