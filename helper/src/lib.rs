//! Everything of voidclust but `main`: one module per stage, in the order of the data.
//!
//! [`config`] and [`facts`] make the [`site`]; [`overlay`], [`template`], [`compose`], [`initcpio`] and [`boot`] make the
//! [`tree`]; [`plan`] compares it with the disk and the [`manifest`]; [`commit`] writes; [`image`] and [`services`] follow.

pub mod archive;
pub mod boot;
pub mod changes;
pub mod cli;
pub mod commands;
pub mod commit;
pub mod compose;
pub mod config;
pub mod facts;
pub mod image;
pub mod initcpio;
pub mod manifest;
pub mod overlay;
pub mod paths;
pub mod plan;
pub mod root;
pub mod services;
pub mod session;
pub mod site;
pub mod template;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod tree;
pub mod types;
