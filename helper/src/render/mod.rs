//! From the Site and its overlays to the Tree: pure functions, but for the reading of overlays.

pub mod compose;
pub mod initcpio;
pub mod menus;
pub mod overlay;
pub mod template;
