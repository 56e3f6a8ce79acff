//! The workflow: the stages that a change goes through, in their order. Stages return reports and print nothing.

pub mod capture;
pub mod changes;
pub mod edits;
pub mod generations;
pub mod identities;
pub mod images;
pub mod initramfs;
pub mod live;
pub mod menus;
pub mod notes;
pub mod preview;
pub mod restart;
mod senders;
pub mod status;
pub mod target;
pub mod trees;
mod unified;
pub mod wanted;
pub mod whom;
pub mod workflow;
