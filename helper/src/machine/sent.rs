//! What the boot server sent to whom, and when: from its log.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;

use super::{Machine, logs, requests};
use crate::paths;
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
    /// When it was sent the menu with which it booted, in seconds since 1970.
    pub menu: Option<u64>,
}

/// What was sent, by the card where the log tells it, else by the address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    by_card: BTreeMap<Mac, Sent>,
    by_address: BTreeMap<Ipv4Addr, Sent>,
}

/// Something was sent, in seconds since 1970.
struct Event<'log> {
    at: u64,
    address: Ipv4Addr,
    card: Option<Mac>,
    file: &'log str,
}

impl Log {
    /// Reads the logs of the machine's boot server and of its HTTP server; `None` when it has none.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    pub fn of(machine: &Machine) -> Result<Option<Self>> {
        let (tftp, http) = (logs::of_boot_server(machine)?, logs::whole(machine, paths::HTTP_LOG)?);
        if tftp.is_none() && http.is_none() {
            return Ok(None);
        }
        let written = tftp.as_ref().and_then(|(path, _)| machine.path(path).metadata().and_then(|stat| stat.modified()).ok());
        let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs());
        let (tftp, http) = (tftp.map(|(_, log)| log.text).unwrap_or_default(), http.map(|log| log.text).unwrap_or_default());
        Ok(Some(Self::parse(&tftp, written, &http)))
    }

    /// Takes the log of dnsmasq apart, whose last line was `written` then, and that of darkhttpd.
    #[must_use]
    pub fn parse(tftp: &str, written: u64, http: &str) -> Self {
        let (mut events, cards) = by_tftp(tftp, written);
        events.extend(http.lines().filter_map(by_http).map(|event| Event { card: cards.get(&event.address).copied(), ..event }));
        events.sort_by_key(|event| event.at);
        let mut found = Self::default();
        for Event { at, address, card, file } in events {
            let image = file.strip_suffix("/initramfs.img").and_then(|folder| folder.rsplit('/').next()).map(ToOwned::to_owned);
            let menu = paths::is_menu(file.trim_start_matches('/')).then_some(at);
            let sent = Sent { file: file.to_owned(), at, image: None, menu: None };
            let known = match card {
                Some(mac) => found.by_card.entry(mac).or_insert_with(|| sent.clone()),
                None => found.by_address.entry(address).or_insert_with(|| sent.clone()),
            };
            // Whatever else it was sent since, the last image is the one that it has, and the last menu that of its boot.
            *known = Sent { image: image.or(known.image.take()), menu: menu.or(known.menu), ..sent };
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

/// What dnsmasq sent, and the card that each address had last.
///
/// Lines of its log have the time of a place on earth, some without the year. So they are not asked what time they mean, only
/// how long before the last one they are.
fn by_tftp(log: &str, written: u64) -> (Vec<Event<'_>>, BTreeMap<Ipv4Addr, Mac>) {
    let last = log.lines().rev().find_map(stamp).unwrap_or_default();
    let mut cards: BTreeMap<Ipv4Addr, Mac> = BTreeMap::new();
    let mut events = Vec::new();
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
        events.push(Event { at, address, card: cards.get(&address).copied(), file });
    }
    (events, cards)
}

/// What darkhttpd sent, of a line in the format that Apache made common:
/// `ADDRESS - - [30/Nov/2026:02:44:19 +0100] "GET /FILE HTTP/1.0" 200 …`.
fn by_http(line: &str) -> Option<Event<'_>> {
    let (address, rest) = line.split_once(" - - [")?;
    let (time, rest) = rest.split_once("] \"GET ")?;
    let (request, status) = rest.split_once("\" ")?;
    let (date, time) = time.split_once(':')?;
    let (time, zone) = time.split_once(' ')?;
    let mut date = date.split('/');
    let (day, month, year) = (date.next()?, month(date.next()?)?, date.next()?);
    let local = since(&format!("{year}-{month:02}-{day}T{time}"))?.as_secs();
    let (hours, minutes) = (zone.get(1..3)?.parse::<u64>().ok()?, zone.get(3..5)?.parse::<u64>().ok()?);
    let ahead = hours * 3600 + minutes * 60;
    let at = if zone.starts_with('-') { local + ahead } else { local.checked_sub(ahead)? };
    let file = request.split(' ').next().filter(|_| status.starts_with("200 "))?;
    Some(Event { at, address: address.parse().ok()?, card: None, file })
}

/// The time in a line of a log, since no particular moment: as syslog has it, or as RFC 3339 does, without its zone.
fn stamp(line: &str) -> Option<Duration> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    if let Some(time) = since(first) {
        return Some(time);
    }
    let month = month(first)?;
    let (day, time) = (words.next()?.parse::<u8>().ok()?, words.next()?);
    since(&format!("2000-{month:02}-{day:02}T{time}"))
}

/// Of RFC 3339, whatever its zone.
fn since(text: &str) -> Option<Duration> {
    humantime::parse_rfc3339_weak(text.get(..19)?).ok()?.duration_since(UNIX_EPOCH).ok()
}

fn month(name: &str) -> Option<usize> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().position(|month| *month == name).map(|before| before + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn told(log: &str, mac: &str, address: [u8; 4]) -> Option<(String, u64, Option<String>)> {
        let log = Log::parse(log, 200_000, "");
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
    fn what_came_by_http_is_known_by_the_address_and_its_card() {
        let tftp = "2026-11-30T01:44:19.1 dnsmasq-dhcp[1]: 5 DHCPACK(vma) 10.0.0.5 52:54:00:00:00:05 n5\n\
            2026-11-30T01:44:20.1 dnsmasq-tftp[1]: sent /srv/tftp/lpxelinux.0 to 10.0.0.5\n";
        let now = 1_796_003_060;
        let http = "\
10.0.0.5 - - [30/Nov/2026:02:44:15 +0100] \"GET /images/6.12-aa/initramfs.img HTTP/1.0\" 200 23000000 \"\" \"Syslinux/6.04\"
10.0.0.5 - - [30/Nov/2026:02:44:16 +0100] \"GET /images/6.12-bb/initramfs.img HTTP/1.0\" 404 200 \"\" \"\"
10.0.0.9 - - [29/Nov/2026:19:44:10 -0600] \"GET /images/6.12-cc/initramfs.img HTTP/1.0\" 200 1 \"\" \"\"
10.0.0.9 - - [bad] \"GET /x HTTP/1.0\" 200 1
";
        let log = Log::parse(tftp, now, http);
        let sent = log.to(&["52:54:00:00:00:05".parse().unwrap()], None).unwrap();
        // The loader of the next boot does not make it forget the image.
        assert_eq!((sent.file.as_str(), sent.at, sent.image.as_deref()), ("/srv/tftp/lpxelinux.0", now, Some("6.12-aa")));
        let other = log.to(&[], Some([10, 0, 0, 9].into())).unwrap();
        assert_eq!((other.at, other.image.as_deref()), (now - 10, Some("6.12-cc")));
    }

    #[test]
    fn what_was_put_aside_of_the_log_is_not_forgotten() {
        let line = |time: &str, file: &str| format!("Nov 30 {time} dnsmasq-tftp[1]: sent /srv/tftp/{file} to 10.0.0.5\n");
        let (folder, machine) = machine(&[
            (paths::MOUNTS, ""),
            ("var/log/socklog/daemon/@4.s", &line("01:00:00", "images/6.12-aa/initramfs.img")),
            ("var/log/socklog/daemon/current", &line("01:00:07", "lpxelinux.0")),
        ]);
        let written = folder.path().join("var/log/socklog/daemon/current").metadata().unwrap().modified().unwrap();
        let log = Log::of(&machine).unwrap().unwrap();
        let sent = log.to(&[], Some([10, 0, 0, 5].into())).unwrap();
        assert_eq!(sent.image.as_deref(), Some("6.12-aa"));
        assert_eq!(sent.at, written.duration_since(UNIX_EPOCH).unwrap().as_secs());
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
