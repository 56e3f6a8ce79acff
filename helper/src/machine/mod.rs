//! The running machine: the only room that knows /proc, /sys, /run and the services that are up.

pub mod facts;
pub mod packages;
pub mod proc;
pub mod services;
