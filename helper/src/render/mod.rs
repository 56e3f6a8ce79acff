//! From the Site and its overlays to the Tree: pure functions, but for the reading of overlays.

pub mod compose;
mod exports;
pub mod initcpio;
mod jinja;
pub mod known_hosts;
pub mod layers;
pub mod menus;
mod names;
pub mod notes;
mod outline;
pub mod overlay;
mod parts;
pub mod reader;
mod strays;
pub mod template;
mod view;

pub(crate) use names::is_litter;
