//! What depends on files of /etc: the mounts that fstab asks for, and the services that are to be told of changes.

use std::path::Path;

use super::Change;
use super::layer::{Entry, Kind};
use super::node;
use super::session::Session;

const FSTAB: &str = "fstab";
/// The services that run, a link each.
const ENABLED: &str = "runit/runsvdir/default";

impl Session<'_> {
    /// Keeps fstab off what lies below the overlay, before it is laid: killed right after, this run must not leave one that
    /// mounts that.
    pub(super) fn mask_fstab(&self, path: &Path, entry: &mut Entry) {
        if path == Path::new(FSTAB)
            && let Kind::File(text) = &mut entry.kind
            && let Some(masked) = self.masked(text)
        {
            *text = masked;
        }
    }

    fn masked(&self, fstab: &[u8]) -> Option<Vec<u8>> {
        node::fstab(fstab, self.mounts.as_deref().unwrap_or_default(), &self.run.point)
    }

    /// The file of the lower tree, where no overlay has one.
    pub(super) fn mask_fstab_there(&mut self) {
        let path = Path::new(FSTAB);
        let Some(place) = self.place(path).filter(|place| place.is_there() && !place.is_folder() && !place.is_link()) else {
            return;
        };
        let Some(mut entry) = self.tried_at("read", path, place.entry()) else { return };
        let Kind::File(text) = &entry.kind else { return };
        if let Some(masked) = self.masked(text) {
            entry.kind = Kind::File(masked);
            if self.tried_at("write", path, place.put(&entry)).is_some() {
                self.log("fstab: the lines of what lies below the overlay are commented out");
            }
        }
    }

    /// Only services that this machine runs. One whose link came just now starts with all that it reads in place.
    pub(super) fn name_services(&mut self) {
        let link = |service: &[u8]| Path::new(ENABLED).join(std::ffi::OsStr::new(&*String::from_utf8_lossy(service)));
        let before = self.untold.len();
        let changes = &self.report.changes;
        self.untold.retain(|service| !changes.contains(&Change::Changed(link(service))));
        if self.untold.len() < before {
            let recorded = self.records.set_untold(&self.untold);
            self.tried(recorded);
        }
        for service in self.untold.clone() {
            if self.place(&link(&service)).is_some_and(|place| place.is_there()) {
                self.report.restart.insert(String::from_utf8_lossy(&service).into_owned());
            }
        }
    }
}
