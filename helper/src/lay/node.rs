//! Which machine this is, and what its root lies on.

use std::path::Path;

use anyhow::{Context, Result};

/// The address of the card that the boot loader used, of every `BOOTIF=01-52-54-00-12-34-56` on the kernel command line, in
/// the spelling of sysfs; the hardware type in front may be missing.
fn boot_macs(cmdline: &str) -> impl Iterator<Item = String> {
    cmdline.split_ascii_whitespace().filter_map(|word| word.strip_prefix("BOOTIF=")).map(|value| {
        let parts = value.split(['-', ':']).count();
        spelled(if parts == 7 { value.get(3..).unwrap_or(value) } else { value })
    })
}

/// Where a client fetches what is its own: `nfsown=SERVER:/PATH` on the kernel command line. The master's has none.
///
/// # Errors
/// When the command line cannot be read.
pub(super) fn own_from(cmdline: &Path) -> Result<Option<String>> {
    let text = std::fs::read(cmdline).with_context(|| format!("cannot read {}", cmdline.display()))?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix("nfsown=")).map(ToOwned::to_owned))
}

/// A MAC as sysfs and we spell it; boot loaders and people write it with dashes and in capitals.
#[must_use]
pub fn spelled(mac: &str) -> String {
    mac.to_ascii_lowercase().replace('-', ":")
}

/// The addresses of all cards with a device behind them, in the order in which the kernel found them.
fn card_macs(class: &Path, unknown: &mut Vec<String>) -> Result<Vec<String>> {
    let mut cards = Vec::new();
    for card in class.read_dir().with_context(|| format!("cannot list the network cards in {}", class.display()))? {
        let card = card?.path();
        if !card.join("device").exists() {
            continue;
        }
        let value = |name: &str| {
            let path = card.join(name);
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
            text.map(|text| text.trim().to_owned())
        };
        match value("ifindex").and_then(|index| Ok((index, value("address")?))) {
            Ok((_, mac)) if mac == "00:00:00:00:00:00" => {}
            Ok((index, mac)) => {
                let card = (index.parse::<u64>().unwrap_or(u64::MAX), mac);
                // In place: to sort them takes more of what each node reads at every boot.
                cards.insert(cards.partition_point(|other| *other < card), card);
            }
            // A card may go while one looks.
            Err(_) if !card.exists() => {}
            Err(error) => unknown.push(format!("{error:#}; this machine is not known by that card")),
        }
    }
    Ok(cards.into_iter().map(|(_, mac)| mac).collect())
}

/// The MACs that this machine goes by, that of the card it booted from first; and what could not be asked.
pub(super) fn macs(cmdline: &Path, sys: &Path) -> (Vec<String>, Vec<String>) {
    let mut unknown = Vec::new();
    let mut macs: Vec<String> = Vec::new();
    let booted = match std::fs::read(cmdline) {
        Ok(text) => boot_macs(&String::from_utf8_lossy(&text)).collect(),
        Err(error) => {
            unknown.push(format!("cannot read {}: {error}; which card this machine booted from is not known", cmdline.display()));
            Vec::new()
        }
    };
    let cards = card_macs(&sys.join("class/net"), &mut unknown);
    let cards = cards.unwrap_or_else(|error| {
        unknown.push(format!("{error:#}"));
        Vec::new()
    });
    for mac in booted.into_iter().chain(cards) {
        if !macs.contains(&mac) {
            macs.push(mac);
        }
    }
    (macs, unknown)
}

/// A file system, from the table of mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is seen, special characters as octal escapes like in fstab.
    pub(super) point: String,
    pub(super) fstype: String,
}

/// Reads a table of mounts: `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - FSTYPE SOURCE OPTIONS`
/// (proc(5), `/proc/PID/mountinfo`).
pub(super) fn mounts(mountinfo: &Path) -> Result<Vec<Mount>> {
    let text = std::fs::read(mountinfo).with_context(|| format!("cannot read {}", mountinfo.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.to_owned();
        Some(Mount { point, fstype: after.split(' ').next()?.to_owned() })
    };
    Ok(text.lines().filter_map(mount).collect())
}

/// Whether the lower tree came over the network, as that of a client does; `None` when it is no mount.
pub(super) fn over_network(mounts: &[Mount], lower: &Path) -> Option<bool> {
    let lower = mounts.iter().rfind(|mount| Path::new(&mount.point) == lower)?;
    Some(matches!(lower.fstype.as_str(), "nfs" | "nfs4"))
}

/// The text of fstab with the lines of what lies below the overlay commented out. The root is the overlay now, and so is a
/// /usr of its own: those lines are about devices that are mounted below, where stage 1's fsck would stop the boot over them
/// and `mount -a` would lay them over the overlay. `None` when there is no such line.
pub(super) fn fstab(text: &[u8], mounts: &[Mount], lower: &Path) -> Option<Vec<u8>> {
    let below = |point: &[u8]| {
        mounts.iter().any(|mount| match Path::new(&mount.point).strip_prefix(lower) {
            Ok(rest) => Path::new("/").join(rest) == Path::new(&*String::from_utf8_lossy(point)),
            Err(_) => false,
        })
    };
    let mut masked = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        if fields.next().is_some_and(|device| !device.starts_with(b"#")) && fields.next().is_some_and(below) {
            masked.extend(b"# below the overlay: ");
        }
        masked.extend(line);
    }
    (masked != text).then_some(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_by_every_spelling_of_bootif() {
        let macs = |text| boot_macs(text).collect::<Vec<_>>();
        for text in ["ro BOOTIF=01-52-54-00-AB-00-09 quiet", "BOOTIF=52:54:00:ab:00:09\n", "BOOTIF=01:52:54:00:AB:00:09"] {
            assert_eq!(macs(text), ["52:54:00:ab:00:09"]);
        }
        assert_eq!(macs("root=/dev/vda xBOOTIF=1"), [] as [&str; 0]);
        assert_eq!(macs("BOOTIF=éé-1-2-3-4-5-6"), ["éé:1:2:3:4:5:6"], "no card, and no end of the run");
    }

    #[test]
    fn lines_of_the_devices_below_are_commented_out_once() {
        let mount = |point: &str| Mount { point: point.to_owned(), fstype: "ext4".to_owned() };
        let mounts = [mount("/"), mount("/low"), mount("/low/usr"), mount("/lower")];
        let text = b"# / here\nUUID=1 / ext4\n\n UUID=3\t/usr/ ext4\nUUID=2 /boot ext4\n#UUID=1 / ext4\nUUID=1 / x";
        let masked = fstab(text, &mounts, Path::new("/low")).unwrap();
        let want = "# / here\n# below the overlay: UUID=1 / ext4\n\n# below the overlay:  UUID=3\t/usr/ ext4\n\
            UUID=2 /boot ext4\n#UUID=1 / ext4\n# below the overlay: UUID=1 / x";
        assert_eq!(String::from_utf8(masked.clone()).unwrap(), want);
        assert_eq!(fstab(&masked, &mounts, Path::new("/low")), None);
    }
}
