//! Who asked the boot server for an address or for what to boot: from its log and its leases.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Result;

use super::{Machine, logs};
use crate::paths;
use crate::types::Mac;

/// A machine that asked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Request {
    /// The card that it asked with.
    pub mac: Mac,
    /// The firmware that asked for what to boot; `None` for whoever only wants an address.
    pub firmware: Option<&'static str>,
    /// What it was given.
    pub address: Option<Ipv4Addr>,
    /// What it calls itself.
    pub name: Option<String>,
    /// When it asked last, as the log has it.
    pub time: Option<String>,
}

/// All who asked, in the order in which they first did, and the files that tell it.
#[derive(Debug, Default)]
pub struct Requests {
    /// Those of the log, then those that only have a lease.
    pub found: Vec<Request>,
    /// What was read.
    pub read: Vec<String>,
}

impl Requests {
    /// Reads the log and the leases of the machine's boot server.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn of(machine: &Machine) -> Result<Self> {
        let mut requests = Self::default();
        if let Some((path, log)) = logs::of_boot_server(machine)? {
            let older = if log.older > 0 { format!(" and {} older", log.older) } else { String::new() };
            requests.add_log(&format!("{}{older}", machine.path(path).display()), &log.text);
        }
        if let Some(leases) = machine.text(paths::LEASES)? {
            requests.read.push(machine.path(paths::LEASES).display().to_string());
            leases.lines().filter_map(lease).for_each(|lease| requests.add(lease));
        }
        Ok(requests)
    }

    /// Adds what a log of dnsmasq tells, with `log-dhcp`.
    pub fn add_log(&mut self, name: &str, log: &str) {
        self.read.push(name.to_owned());
        // What a packet says of itself comes in lines before its own, with the number of the conversation.
        let mut said: BTreeMap<&str, (Option<&'static str>, Option<String>)> = BTreeMap::new();
        for line in log.lines() {
            let Some((before, message)) = line.split_once("dnsmasq-dhcp") else { continue };
            let Some((_, message)) = message.split_once(": ") else { continue };
            let Some((number, message)) = message.split_once(' ') else { continue };
            if let Some(class) = message.strip_prefix("vendor class: ") {
                let packet = said.entry(number).or_default();
                packet.0 = firmware(class).or(packet.0);
            } else if let Some(name) = message.strip_prefix("client provides name: ") {
                said.entry(number).or_default().1 = Some(name.trim().to_owned());
            } else if let Some((address, mac)) = asked(message) {
                let (firmware, name) = said.get(number).cloned().unwrap_or_default();
                let time = before.trim().trim_end_matches(':').to_owned();
                self.add(Request { mac, firmware, address, name, time: Some(time).filter(|time| !time.is_empty()) });
            }
        }
    }

    /// Adds a request to what is known of its card.
    fn add(&mut self, new: Request) {
        let Some(known) = self.found.iter_mut().find(|known| known.mac == new.mac) else { return self.found.push(new) };
        known.firmware = new.firmware.or(known.firmware);
        known.address = new.address.or(known.address);
        known.name = new.name.or(known.name.take());
        known.time = new.time.or(known.time.take());
    }
}

/// The card in `DHCPDISCOVER(eth0) 10.0.0.5 52:54:00:12:34:56 …`, and the address where one was given.
pub(super) fn asked(message: &str) -> Option<(Option<Ipv4Addr>, Mac)> {
    let (kind, rest) = message.split_once('(')?;
    let gives = matches!(kind, "DHCPOFFER" | "DHCPACK");
    if !gives && !matches!(kind, "DHCPDISCOVER" | "DHCPREQUEST" | "PXE" | "BOOTP") {
        return None;
    }
    let mut words = rest.split_once(") ")?.1.split_whitespace();
    let first = words.next()?;
    let address = first.parse().ok();
    let mac = if address.is_some() { words.next()? } else { first };
    Some((address.filter(|_| gives), mac.parse().ok()?))
}

/// The firmware in `PXEClient:Arch:00007:UNDI:003016` (RFC 4578, 2.1, with erratum 4625).
fn firmware(class: &str) -> Option<&'static str> {
    let arch = class.strip_prefix("PXEClient").or_else(|| class.strip_prefix("HTTPClient"))?;
    match arch.strip_prefix(":Arch:").and_then(|arch| arch.split(':').next()?.parse::<u16>().ok()) {
        Some(0) => Some("BIOS"),
        Some(7 | 9 | 16) => Some("UEFI"),
        // One that cannot boot here, and is to be seen all the same.
        Some(_) => Some("other"),
        None => Some("PXE"),
    }
}

/// `EXPIRY MAC ADDRESS NAME CLIENT-ID`
fn lease(line: &str) -> Option<Request> {
    let mut words = line.split_whitespace().skip(1);
    let (mac, address, name) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
    let name = Some(name.to_owned()).filter(|name| name != "*");
    Some(Request { mac, firmware: None, address: Some(address), name, time: None })
}

/// Who made the cards, by the table of vendors when there is one.
///
/// # Errors
/// When the table is there and cannot be read.
pub fn vendors(machine: &Machine, requests: &[Request]) -> Result<BTreeMap<Mac, String>> {
    let Some(table) = machine.text(paths::VENDORS)? else { return Ok(BTreeMap::new()) };
    let entries = table.lines().filter_map(|line| line.split_once("(hex)"));
    let known: BTreeMap<&str, &str> = entries.map(|(prefix, vendor)| (prefix.trim(), vendor.trim())).collect();
    let of = |request: &Request| Some((request.mac, (*known.get(request.mac.vendor().as_str())?).to_owned()));
    Ok(requests.iter().filter_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    /// What dnsmasq 2.90 wrote to a log of its own, and how svlogd has it.
    const LOG: &str = "\
Nov 30 01:44:18 dnsmasq[27117]: started, version 2.90 DNS disabled
Nov 30 01:44:18 dnsmasq-dhcp[27117]: DHCP, static leases only on 10.0.0.0, lease time 1h
Nov 30 01:44:19 dnsmasq-dhcp[27117]: 504640835 available DHCP subnet: 10.0.0.0/255.255.255.0
Nov 30 01:44:19 dnsmasq-dhcp[27117]: 504640835 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 30 01:44:19 dnsmasq-dhcp[27117]: 504640835 client provides name: n1
Nov 30 01:44:19 dnsmasq-dhcp[27117]: 504640835 DHCPDISCOVER(vma) 52:54:00:00:00:77 no address available
Nov 30 01:44:24 dnsmasq-dhcp[27619]: 567796282 vendor class: udhcp 1.35.0
Nov 30 01:44:27 dnsmasq-dhcp[27619]: 567796282 DHCPDISCOVER(vma) 52:54:00:00:00:78 
Nov 30 01:44:27 dnsmasq-dhcp[27619]: 567796282 DHCPOFFER(vma) 10.0.0.50 52:54:00:00:00:78 
Nov 30 01:44:27 dnsmasq-dhcp[27619]: 567796282 sent size:  4 option: 54 server-identifier  10.0.0.1
2026-11-30T01:44:28.12345 daemon.info: Nov 30 01:44:28 dnsmasq-dhcp[28053]: 1311216250 vendor class: PXEClient:Arch:00007:UNDI:003016
2026-11-30T01:44:28.12345 daemon.info: Nov 30 01:44:28 dnsmasq-dhcp[28053]: 1311216250 PXE(vma) 52:54:00:00:00:79 proxy
Nov 30 01:45:00 dnsmasq-dhcp[28053]: 1 DHCPDISCOVER(vma) 52:54:00:00:00:77 
";

    fn told(requests: &Requests) -> Vec<String> {
        let told = |request: &Request| {
            let address = request.address.map(|address| address.to_string());
            let parts = [request.firmware.map(ToOwned::to_owned), address, request.name.clone()];
            format!("{} {}", request.mac.to_string().split_off(15), parts.map(|part| part.unwrap_or("-".to_owned())).join(" "))
        };
        requests.found.iter().map(told).collect()
    }

    #[test]
    fn the_log_tells_who_asked_in_which_order_and_the_leases_who_got_what() {
        let leases = "1700000000 52:54:00:00:00:80 10.0.0.60 phone *\n1700000000 52:54:00:00:00:79 10.0.0.61 * *\nduid 00:01\n";
        let (_dir, machine) = machine(&[(paths::MOUNTS, ""), ("var/log/messages", LOG), ("var/lib/misc/dnsmasq.leases", leases)]);
        let requests = Requests::of(&machine).unwrap();
        assert_eq!(told(&requests), ["77 BIOS - n1", "78 - 10.0.0.50 -", "79 UEFI 10.0.0.61 -", "80 - 10.0.0.60 phone"]);
        assert_eq!(requests.found[0].time.as_deref(), Some("Nov 30 01:45:00"), "when it asked last");
        assert_eq!(requests.read.len(), 2, "{:?}", requests.read);
    }

    #[test]
    fn the_vendor_is_that_of_the_table() {
        let table = "OUI/MA-L\n52-54-00   (hex)\t\tMaker of cards\n525400     (base 16)\t\tMaker of cards\n";
        let (_dir, machine) = machine(&[(paths::MOUNTS, ""), (paths::VENDORS, table)]);
        let mut requests = Requests::default();
        requests.add_log("log", LOG);
        let vendors = vendors(&machine, &requests.found).unwrap();
        assert_eq!(vendors.values().next().map(String::as_str), Some("Maker of cards"));
        assert_eq!(vendors.len(), 3);
    }
}
