//! What the boot server sent to whom, and when: from its log.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;

use super::{Machine, requests};
use crate::types::Mac;

const DAY: Duration = Duration::from_secs(86_400);

/// What a machine was sent last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Sent {
    /// The file, as the log has it.
    pub file: String,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The folder of the image whose initramfs it was sent last, by its name.
    pub image: Option<String>,
}

/// What was sent, by the card where the log tells it, else by the address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    by_card: BTreeMap<Mac, Sent>,
    by_address: BTreeMap<Ipv4Addr, Sent>,
}

impl Log {
    /// Reads the log of the machine's boot server; `None` when it has none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn of(machine: &Machine) -> Result<Option<Self>> {
        let Some((path, text)) = requests::log(machine)? else { return Ok(None) };
        let written = machine.path(path).metadata().and_then(|stat| stat.modified()).ok();
        let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs());
        Ok(Some(Self::parse(&text, written)))
    }

    /// Takes a log apart whose last line was `written` then.
    ///
    /// Its lines have the time of a place on earth, some without the year. So they are not asked what time they mean, only
    /// how long before the last one they are.
    #[must_use]
    pub fn parse(log: &str, written: u64) -> Self {
        let mut found = Self::default();
        let last = log.lines().rev().find_map(stamp).unwrap_or_default();
        let mut cards: BTreeMap<Ipv4Addr, Mac> = BTreeMap::new();
        for line in log.lines() {
            let Some((before, message)) = line.split_once(" dnsmasq") else { continue };
            let Some((server, message)) = message.split_once(": ") else { continue };
            if server.starts_with("-dhcp") {
                let asked = message.split_once(' ').and_then(|(_, message)| requests::asked(message));
                if let Some((Some(address), mac)) = asked {
                    cards.insert(address, mac);
                }
                continue;
            }
            let Some((what, address)) = message.rsplit_once(" ") else { continue };
            let (true, Ok(address)) = (server.starts_with("-tftp"), address.parse::<Ipv4Addr>()) else { continue };
            // Loaders ask for the menu of their card first, whether there is one or not.
            if let Some(mac) = what.split(['/', ' ']).find_map(|part| part.strip_prefix("01-")?.parse().ok()) {
                cards.insert(address, mac);
            }
            let file = what.strip_prefix("sent ").and_then(|what| what.strip_suffix(" to"));
            let (Some(file), Some(time)) = (file, stamp(before)) else { continue };
            // Without the year, what is far ahead was before the turn of it.
            let last = if time > last + DAY { last + 366 * DAY } else { last };
            let at = written.saturating_sub(last.saturating_sub(time).as_secs());
            let image = file.strip_suffix("/initramfs.img").and_then(|folder| folder.rsplit('/').next()).map(ToOwned::to_owned);
            let before = match cards.get(&address) {
                Some(mac) => found.by_card.insert(*mac, Sent { file: file.to_owned(), at, image: image.clone() }),
                None => found.by_address.insert(address, Sent { file: file.to_owned(), at, image: image.clone() }),
            };
            if let (None, Some(before)) = (image, before) {
                let now = cards.get(&address).and_then(|mac| found.by_card.get_mut(mac));
                if let Some(now) = now.or_else(|| found.by_address.get_mut(&address)) {
                    now.image = before.image;
                }
            }
        }
        found
    }

    /// What was sent last to a machine with these cards, or this address.
    #[must_use]
    pub fn to(&self, macs: &[Mac], address: Option<Ipv4Addr>) -> Option<&Sent> {
        let by_card = macs.iter().filter_map(|mac| self.by_card.get(mac)).max_by_key(|sent| sent.at);
        by_card.or_else(|| self.by_address.get(&address?))
    }
}

/// The time in a line of a log, since no particular moment: as syslog has it, or as RFC 3339 does, without its zone.
fn stamp(line: &str) -> Option<Duration> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let since = |text: &str| humantime::parse_rfc3339_weak(text.get(..19)?).ok()?.duration_since(UNIX_EPOCH).ok();
    if let Some(time) = since(first) {
        return Some(time);
    }
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|month| *month == first)? + 1;
    let (day, time) = (words.next()?.parse::<u8>().ok()?, words.next()?);
    since(&format!("2000-{month:02}-{day:02}T{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(log: &str, mac: &str, address: [u8; 4]) -> Option<(String, u64, Option<String>)> {
        let log = Log::parse(log, 200_000);
        log.to(&[mac.parse().unwrap()], Some(address.into())).map(|sent| (sent.file.clone(), sent.at, sent.image.clone()))
    }

    #[test]
    fn what_was_sent_is_found_by_card_and_by_address() {
        let log = "\
2026-11-30T01:44:19.1 daemon.info: Nov 30 02:44:19 dnsmasq-dhcp[1]: 5 DHCPACK(vma) 10.0.0.5 52:54:00:00:00:05 n5
2026-11-30T01:44:20.1 daemon.info: Nov 30 02:44:20 dnsmasq-tftp[1]: sent /srv/tftp/images/6.12-aa/initramfs.img to 10.0.0.5
2026-11-30T01:44:21.1 daemon.err: Nov 30 02:44:21 dnsmasq-tftp[1]: file /srv/tftp/pxelinux.cfg/01-52-54-00-00-00-06 not found for 10.0.0.6
2026-11-30T01:44:22.1 daemon.info: Nov 30 02:44:22 dnsmasq-tftp[1]: sent /srv/tftp/images/6.12-bb/initramfs.img to 10.0.0.6
2026-11-30T01:44:23.1 daemon.info: Nov 30 02:44:23 dnsmasq-tftp[1]: sent /srv/tftp/lpxelinux.0 to 10.0.0.7
2026-11-30T01:44:33.1 daemon.info: Nov 30 02:44:33 dnsmasq-tftp[1]: sent /srv/tftp/lpxelinux.0 to 10.0.0.6
2026-11-30T01:44:43.1 daemon.info: Nov 30 02:44:43 dnsmasq[1]: exiting
";
        let owned = |file: &str, at, image: Option<&str>| Some((file.to_owned(), at, image.map(ToOwned::to_owned)));
        let image = "/srv/tftp/images/6.12-aa/initramfs.img";
        assert_eq!(told(log, "52:54:00:00:00:05", [10, 0, 0, 99]), owned(image, 199_977, Some("6.12-aa")));
        // Whatever came after it, that is the image that it has.
        assert_eq!(told(log, "52:54:00:00:00:06", [10, 0, 0, 99]), owned("/srv/tftp/lpxelinux.0", 199_990, Some("6.12-bb")));
        assert_eq!(told(log, "52:54:00:00:00:99", [10, 0, 0, 7]), owned("/srv/tftp/lpxelinux.0", 199_980, None));
        // Who has this address now is somebody else.
        assert_eq!(told(log, "52:54:00:00:00:99", [10, 0, 0, 6]), None);
    }

    #[test]
    fn a_log_without_years_is_as_old_as_its_file() {
        for (first, last, ago) in [("Mar 31 23:59:59", "Apr  1 00:00:04", 5), ("Dec 31 23:59:59", "Jan  1 00:00:04", 5)] {
            let log = format!("{first} m dnsmasq-tftp[1]: sent /srv/tftp/x to 10.0.0.7\n{last} m cron[2]: x\n");
            assert_eq!(told(&log, "52:54:00:00:00:99", [10, 0, 0, 7]).unwrap().1, 200_000 - ago, "{first}");
        }
        assert_eq!(stamp("a b c"), None);
    }
}
