//! What xbps has installed, and what it is doing: which packages of ours the transaction has that is running.
//!
//! xbps notes `unpacked` for every package of a transaction before it configures the first one, and `installed` after it has
//! configured the last (xbps 0.60, `lib/transaction_commit.c`): whoever is called in between finds the whole transaction in
//! the database, and all of its files in place. `xbps-query` would say the same, but it is not in every root.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::disk::root::Root;

/// The database of xbps: a property list, written by proplib as XML with one element a line.
const DATABASE: &str = "var/db/xbps/pkgdb-0.38.plist";

/// Our packages whose INSTALL asks for work. The first of those in a transaction does it, for all.
const ASKING: [&str; 3] = ["cluster-master", "cluster-overlays", "cluster-client-initcpio"];

/// The package of ours that does the work of the transaction that is running: `None` when none of ours is in it, or there
/// is none (a package that is configured again, a root without a database).
///
/// # Errors
/// When the database cannot be read.
pub fn whose_turn(root: &Root) -> Result<Option<&'static str>> {
    Ok(root.read_text(DATABASE)?.and_then(|database| ASKING.into_iter().find(|name| state(&database, name) == Some("unpacked"))))
}

/// The state of a package, as the database calls it.
fn state<'a>(database: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = database.split_once(&format!("\n\t<key>{package}</key>\n\t<dict>"))?;
    let (entry, _) = rest.split_once("\n\t</dict>")?;
    let (_, value) = entry.split_once("\n\t\t<key>state</key>\n\t\t<string>")?;
    value.split_once("</string>").map(|(state, _)| state)
}

/// The packages that a tree has, with their versions; none where there is no database.
///
/// # Errors
/// When the database cannot be read.
pub fn installed(root: &Root, tree: &str) -> Result<BTreeMap<String, String>> {
    let path = format!("{tree}/{DATABASE}");
    Ok(root.read_text(path.trim_start_matches('/'))?.map(|database| versions(&database)).unwrap_or_default())
}

fn versions(database: &str) -> BTreeMap<String, String> {
    let entries = database.split("\n\t<key>").skip(1).filter_map(|entry| {
        let (name, rest) = entry.split_once("</key>\n\t<dict>")?;
        let (_, value) = rest.split_once("\n\t\t<key>pkgver</key>\n\t\t<string>")?;
        let version = value.split_once("</string>")?.0.strip_prefix(name)?.strip_prefix('-')?;
        Some((name.to_owned(), version.to_owned()))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As xbps 0.60.7 writes it, with what could be taken for something else: keys of the same name deeper down.
    fn database(packages: &[(&str, &str)]) -> String {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n<dict>\n\
                        \t<key>_XBPS_ALTERNATIVES_</key>\n\t<dict>\n\t\t<key>cluster-master</key>\n\t\t<dict>\n\
                        \t\t\t<key>state</key>\n\t\t\t<string>unpacked</string>\n\t\t</dict>\n\t</dict>\n"
            .to_owned();
        for (name, state) in packages {
            text += &format!(
                "\t<key>{name}</key>\n\t<dict>\n\t\t<key>alternatives</key>\n\t\t<dict>\n\t\t\t<key>state</key>\n\
                 \t\t\t<string>unpacked</string>\n\t\t</dict>\n\t\t<key>pkgver</key>\n\t\t<string>{name}-0.1.0_1</string>\n\
                 \t\t<key>state</key>\n\t\t<string>{state}</string>\n\t</dict>\n"
            );
        }
        text + "</dict>\n</plist>\n"
    }

    #[expect(clippy::disallowed_methods, reason = "a root of the test's own")]
    fn turn(database: Option<&str>) -> Option<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        if let Some(text) = database {
            std::fs::create_dir_all(dir.path().join("var/db/xbps")).unwrap();
            std::fs::write(dir.path().join(DATABASE), text).unwrap();
        }
        whose_turn(&Root::open(dir.path()).unwrap()).unwrap()
    }

    #[test]
    fn one_package_does_the_work_of_a_transaction() {
        let of = |master, overlays, initcpio| {
            let packages = [("cluster-client-initcpio", initcpio), ("cluster-master", master), ("cluster-overlays", overlays)];
            turn(Some(&database(&packages)))
        };
        assert_eq!(of("unpacked", "unpacked", "unpacked"), Some("cluster-master"));
        assert_eq!(of("installed", "unpacked", "unpacked"), Some("cluster-overlays"));
        assert_eq!(of("installed", "installed", "unpacked"), Some("cluster-client-initcpio"));
        assert_eq!(of("installed", "installed", "installed"), None);
    }

    #[test]
    fn the_database_tells_what_is_installed() {
        let told = versions(&database(&[("cluster-master", "installed"), ("linux6.12", "unpacked")]));
        let told: Vec<_> = told.iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(told, ["cluster-master 0.1.0_1", "linux6.12 0.1.0_1"]);
    }

    #[test]
    fn what_the_database_does_not_say_is_nobodys_turn() {
        assert_eq!(turn(None), None);
        assert_eq!(turn(Some("")), None);
        assert_eq!(turn(Some(&database(&[("cluster-overlays-doc", "unpacked"), ("linux6.12", "unpacked")]))), None);
        assert_eq!(turn(Some("\n\t<key>cluster-master</key>\n\t<dict>\n\t\t<key>state</key>")), None);
    }
}
