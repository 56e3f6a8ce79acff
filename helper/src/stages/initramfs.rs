//! Which program makes the master's own initramfs: on Void dracut does, and the overlay needs mkinitcpio.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::target::Target;
use crate::image::{self, Maker, SWITCH};
use crate::machine::seen::Below;
use crate::paths;
use crate::tools::Tool;

/// What is to be done so that mkinitcpio makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing, it does.
    Nothing,
    /// [`switch`].
    Switch,
    /// First this, by the administrator: a machine that was switched without would not find its root.
    ByHand(Vec<String>),
}

/// What is to be done on a machine whose root lies on a file system of this type, and that on these.
///
/// # Errors
/// When the tree cannot be read.
pub fn next(target: &Target, kind: Option<&str>, below: &BTreeSet<Below>) -> Result<Next> {
    let root = &target.root;
    match image::maker(root)? {
        Maker::Mkinitcpio => return Ok(Next::Nothing),
        Maker::Missing => {
            return Ok(Next::ByHand(vec!["install it: xbps-install -S mkinitcpio".to_owned(), format!("then: {SWITCH}")]));
        }
        Maker::Another => {}
    }
    let told = root.read_text(paths::MKINITCPIO)?.unwrap_or_default();
    let has_zfs = root.list(paths::INITCPIO_HOOKS)?.unwrap_or_default().iter().any(|hook| hook == "zfs");
    let mut first = advice(kind, has_zfs, below, &told);
    if first.is_empty() {
        return Ok(Next::Switch);
    }
    first.push(format!("then: {SWITCH}"));
    Ok(Next::ByHand(first))
}

/// What mkinitcpio must be told that dracut finds out by itself.
fn advice(kind: Option<&str>, has_zfs: bool, below: &BTreeSet<Below>, told: &str) -> Vec<String> {
    let hooks = told.lines().rfind(|line| line.trim_start().starts_with("HOOKS=")).unwrap_or_default();
    let has = |hook: &str| hooks.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).any(|word| word == hook);
    let mut advice = Vec::new();
    let mut add = |hook: &str, package: &str, what: &str, more: &str| {
        if !has(hook) {
            advice.push(format!(
                "the root is on {what}: xbps-install -S {package}, and put `{hook}` before `filesystems` in HOOKS of /{}{more}",
                paths::MKINITCPIO
            ));
        }
    };
    if below.contains(&Below::Raid) {
        add("mdadm_udev", "mkinitcpio-mdadm", "a RAID of md", "");
    }
    if below.contains(&Below::Luks) {
        let line = "; on the kernel's command line it reads cryptdevice=UUID=…:NAME, not the rd.luks… of dracut";
        add("encrypt", "mkinitcpio-encrypt", "LUKS", line);
    }
    if below.contains(&Below::Lvm) {
        add("lvm2", "mkinitcpio-lvm2", "LVM", "");
    }
    if kind == Some("zfs") && !has_zfs {
        advice.push("the root is on ZFS: xbps-install -S mkinitcpio-zfs".to_owned());
    }
    advice
}

/// Has mkinitcpio make it from now on.
///
/// # Errors
/// When xbps refuses.
pub fn switch(target: &Target) -> Result<()> {
    let tool = Tool::new("xbps-alternatives").arg("-r").arg(target.root.path()).args(["-g", "initramfs", "-s", "mkinitcpio"]);
    tool.output().map(|_| ()).context("the initramfs is still another program's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dracut_finds_by_itself_must_be_told() {
        let all = [Below::Luks, Below::Lvm, Below::Raid].into();
        let stock = "#HOOKS=(encrypt)\nHOOKS=(base udev autodetect block filesystems fsck)\n";
        let told = advice(Some("ext4"), false, &all, stock);
        assert!(told[1].contains("mkinitcpio-encrypt") && told[1].contains("cryptdevice=UUID"), "{told:?}");
        assert_eq!(told.len(), 3);
        let ready = "HOOKS=(base udev block mdadm_udev encrypt lvm2 filesystems)";
        assert!(advice(Some("ext4"), false, &all, ready).is_empty());
        assert!(advice(Some("zfs"), true, &BTreeSet::new(), stock).is_empty());
        assert!(advice(Some("zfs"), false, &BTreeSet::new(), stock)[0].contains("mkinitcpio-zfs"));
    }
}
