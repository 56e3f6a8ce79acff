//! The clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// The time, in seconds since 1970.
///
/// # Errors
/// When the clock stands before that.
pub fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH).context("the clock of this machine is before 1970; set it")?.as_secs())
}
