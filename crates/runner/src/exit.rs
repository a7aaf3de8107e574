//! Exit codes of workers, for their supervisors. Those above 63 are of sysexits.h.

/// With `--once`: jobs failed.
pub const SOME_JOBS_FAILED: u8 = 3;
/// This host cannot train: restarting helps once somebody has mended it (`EX_UNAVAILABLE`).
pub const HOST_FAULT: u8 = 69;
/// A training hung: restart (`EX_SOFTWARE`).
pub const HUNG: u8 = 70;
/// The device was lost for the process: restart, perhaps after a reset of the device (`EX_OSERR`).
pub const DEVICE_LOST: u8 = 71;
/// The database no longer takes this version of peng: restart with a newer binary (`EX_PROTOCOL`).
pub const VERSION_REFUSED: u8 = 76;
