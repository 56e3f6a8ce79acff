//! The real binary, run on temporary roots.
//!
//! `cases` compares whole rendered trees; the others say one fact each. What a machine cannot do (no packaged overlays in
//! a release archive, no dnsmasq, no right to mount) is skipped, with a line `skip: TEST: REASON`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something is not as it must be")]

mod apply;
mod bad_input;
mod boot_server;
mod capture;
mod cases;
mod client;
mod clock;
mod commands;
mod compression;
mod config;
mod foreseen;
mod generations;
mod hooks;
mod identity;
mod init;
mod killed;
mod live_images;
mod live_master;
mod lower_tree;
mod machine;
mod mistakes;
mod mounts;
mod node;
mod overlay_root;
mod overlays;
mod place;
mod rc_local;
mod readers;
mod real_overlay;
mod real_tools;
mod reboot;
mod roots;
mod scratch;
mod served;
mod shell;
mod stamps;
mod status;
mod typos;
mod values;
