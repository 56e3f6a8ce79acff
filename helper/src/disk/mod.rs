//! Trees on a disk: what they ought to hold, what they hold, and the one way to change them.

pub mod archive;
pub(crate) mod aside;
pub mod commit;
pub mod generations;
pub mod identities;
pub mod lines;
pub mod lock;
pub mod lower;
pub mod manifest;
pub mod opened;
pub mod plan;
pub mod root;
pub mod stamps;
pub mod tree;
