//! Everything of voidclust but `main`: one room per part of the house, lower floors first. A room uses those above it in
//! this list, never those below.
//!
//! [`disk`] compares and changes trees, [`machine`] is the running machine, [`config`] makes the [`site`] of [`types`],
//! [`edit`] changes its text, [`generation`] has copies of the root that clients boot from, [`image`] what they boot,
//! [`render`] makes the Tree of a site, [`stages`] is the workflow that [`commands`] call.

pub mod cli;
pub mod parallel;
pub mod paths;
pub mod print;
pub mod progress;
pub mod tools;
pub mod words;

pub mod types;

pub mod site;

pub mod disk;

pub mod lay;

pub mod machine;

pub mod config;

pub mod edit;

pub mod generation;

pub mod image;

pub mod render;

pub mod stages;

pub mod commands;

#[cfg(test)]
mod testing;
