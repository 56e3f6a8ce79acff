//! What is named must exist: profiles, overlays, kernels.

use toml::Spanned;

use super::raw::{Entry, Raw};
use super::resolve::Check;
use super::source::Mistake;
use crate::types::{Kernel, OverlayName};

impl Check<'_> {
    /// Profiles, overlays and kernels that are named must exist.
    pub(super) fn names_known(&mut self, raw: &Raw) {
        let profiles: Vec<&str> = raw.profiles.iter().map(|(name, _)| name.get_ref().as_str()).collect();
        for Entry { node, .. } in &raw.nodes {
            for profile in node.profiles.iter().filter(|profile| !profiles.contains(&profile.get_ref().as_str())) {
                let text = format!("there is no profile `{}`", profile.get_ref());
                let known = if profiles.is_empty() { "none yet".to_owned() } else { profiles.join(", ") };
                self.add(
                    Mistake::at(profile.span(), text)
                        .remedy(format!("add [profile.{}], or use one of: {known}", profile.get_ref())),
                );
            }
            self.overlays_known(&node.overlays);
            self.kernel_known(node.kernel.as_ref());
        }
        for (_, profile) in &raw.profiles {
            self.overlays_known(&profile.overlays);
            self.kernel_known(profile.kernel.as_ref());
        }
        self.overlays_known(&raw.master.overlays);
        self.overlays_known(&raw.client.overlays);
        self.kernel_known(raw.client.kernel.as_ref());
    }

    fn overlays_known(&mut self, overlays: &[Spanned<OverlayName>]) {
        for overlay in overlays.iter().filter(|overlay| !self.facts.overlays.contains(overlay.get_ref().as_str())) {
            let text = format!("there is no overlay `{}`", overlay.get_ref());
            let remedy = format!("make the folder /{}/{} (it mirrors /etc)", crate::paths::SITE_OVERLAYS, overlay.get_ref());
            self.mistakes.push(Mistake::at(overlay.span(), text).remedy(remedy));
        }
    }

    fn kernel_known(&mut self, kernel: Option<&Spanned<Kernel>>) {
        let Some(written) = kernel else { return };
        if let Kernel::Version(version) = written.get_ref()
            && !self.facts.kernels.contains(version)
            && !self.facts.imaged.contains(version)
        {
            let text = format!("kernel `{version}` is not installed");
            let known = if self.facts.kernels.is_empty() { "none".to_owned() } else { self.facts.kernels.join(", ") };
            let remedy = format!("install it, or use \"newest\"; installed under {}: {known}", self.facts.root);
            self.add(Mistake::at(written.span(), text).remedy(remedy));
        }
    }
}
