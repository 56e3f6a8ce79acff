//! The workflow: the stages that a change goes through, in their order. Stages return reports and print nothing.

pub mod changes;
pub mod session;
