//! What a source laid when it could be read: as long as it cannot, that stays as it is.

use std::path::Path;

use super::layer::{Layer, Meta};
use super::names;
use super::session::Session;

impl Session<'_> {
    /// What a later source has, it has over one before it that cannot be read now.
    pub(super) fn let_go(&mut self, later: &Layer) {
        if self.held.is_empty() {
            return;
        }
        for (path, entry) in later {
            self.held.remove(&names::marker_of(path));
            if !(entry.is_folder() && entry.meta == Meta::usual()) {
                self.held.remove(path);
            }
            if let Some(gone) = names::hidden_by(path) {
                self.held.retain(|held| !held.starts_with(&gone));
            }
        }
    }

    /// Whether a path is to stay as it is, because a source brought it, or removed it, that cannot be read now.
    pub(super) fn is_held(&self, path: &Path) -> bool {
        let hidden = |above: &Path| above.file_name().is_some() && self.held.contains(&names::marker_of(above));
        !self.held.is_empty() && (self.held.contains(path) || path.ancestors().any(hidden))
    }
}
