//! Reads of the lower tree what concerns the nodes: texts that overlays replace, and services.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::disk::root::Root;
use crate::disk::tree::Content;
use crate::paths;
use crate::types::identity::{KEY_KINDS, public_key};
use crate::types::lower::{KNOWN_HOSTS, Lower, SSHD_CONFIG, SSHD_PARTS, Service};

/// Texts that an overlay of ours replaces, that say what to make for a node, or that every node runs.
const TEXTS: [&str; 13] = [
    "chrony.conf",
    "dnsmasq.conf",
    "fstab",
    "hosts",
    "rc.local",
    "resolv.conf",
    KNOWN_HOSTS,
    SSHD_CONFIG,
    "sv/darkhttpd/conf",
    "sv/dnsmasq/conf",
    "sv/netmount/conf",
    "sv/nfs-server/conf",
    "sv/nfsdcld/conf",
];

/// Looks at the lower tree.
///
/// # Errors
/// When something is there but cannot be read.
pub fn read(root: &Root) -> Result<Lower> {
    let mut paths: Vec<String> = TEXTS.map(ToOwned::to_owned).into();
    paths.extend(KEY_KINDS.map(|kind| format!("ssh/{}", public_key(kind))));
    for folder in paths::BOOT_SCRIPTS {
        let names = root.list(&format!("etc/{folder}"))?.unwrap_or_default();
        paths.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
    }
    let parts = root.list(&format!("etc/{SSHD_PARTS}"))?.unwrap_or_default();
    paths.extend(parts.into_iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{SSHD_PARTS}/{name}")));
    let mut texts = BTreeMap::new();
    for path in paths {
        if let Some(text) = text(root, &format!("etc/{path}"))? {
            texts.insert(path, text);
        }
    }
    Ok(Lower { texts, services: services(root)? })
}

/// What is there but is no text, or no file, is the administrator's business.
fn text(root: &Root, path: &str) -> Result<Option<String>> {
    let Some(file) = root.open_file(path)? else { return Ok(None) };
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    Ok(root.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn services(root: &Root) -> Result<BTreeMap<String, Service>> {
    let mut services: BTreeMap<String, Service> =
        root.list(paths::SERVICES)?.unwrap_or_default().into_iter().map(|name| (name, Service::default())).collect();
    let levels = paths::RUN_LEVELS;
    for level in root.list(paths::RUN_LEVELS)?.unwrap_or_default() {
        // A link to the level that is on, and what runs when there is none.
        if ["current", "previous", "single"].contains(&level.as_str()) {
            continue;
        }
        for name in root.list(&format!("{levels}/{level}"))?.unwrap_or_default() {
            // The link may be called what it likes; what it leads to is kept down.
            let Some(Content::Link(target)) = root.find(&format!("{levels}/{level}/{name}"))?.map(|item| item.content) else {
                continue;
            };
            let target = target.to_string_lossy().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            let part = |file| text(root, &format!("{}/{target}/{file}", paths::SERVICES));
            let run = [part("run")?, part("conf")?].into_iter().flatten().collect::<Vec<_>>().join("\n");
            services.insert(target, Service { enabled: true, run });
        }
    }
    Ok(services)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    #[test]
    fn texts_and_services_are_found_by_what_links_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join("etc").join(path);
        for folder in ["sv/sshd", "sv/net", "runit/runsvdir/default", "runit/runsvdir/single", "runit/core-services"] {
            create_dir_all(at(folder)).unwrap();
        }
        write(at("hosts"), b"10.0.0.9 caf\xe9\n").unwrap();
        write(at("runit/core-services/04-net.sh"), "x\n").unwrap();
        create_dir_all(at("rc.local.d/old")).unwrap();
        write(at("sv/net/run"), "#!/bin/sh\n").unwrap();
        symlink("/etc/sv/net", at("runit/runsvdir/default/my-net")).unwrap();
        symlink("/etc/sv/gone/", at("runit/runsvdir/default/gone")).unwrap();
        symlink("/etc/sv/sulogin", at("runit/runsvdir/single/sulogin")).unwrap();
        symlink("default", at("runit/runsvdir/current")).unwrap();
        let lower = read(&Root::open(dir.path()).unwrap()).unwrap();
        assert_eq!(lower.texts.keys().collect::<Vec<_>>(), ["hosts", "runit/core-services/04-net.sh"]);
        let services: Vec<_> = lower.services.iter().map(|(name, service)| (name.as_str(), service.enabled)).collect();
        assert_eq!(services, [("gone", true), ("net", true), ("sshd", false)]);
        assert_eq!(lower.services["net"].run, "#!/bin/sh\n");
    }
}
