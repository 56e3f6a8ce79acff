//! Lists of machines that other programs keep, as drafts of nodes. Pure: what is read here was read from files before.

mod csv;
mod tables;
mod warewulf;
mod yaml;

use super::draft::Draft;
use crate::types::Problem;

/// A list of machines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// The nodes, with their names.
    pub nodes: Vec<(String, Draft)>,
    /// Profiles that they name, with what the list says of these.
    pub profiles: Vec<(String, Draft)>,
    /// What the list says and a configuration of ours cannot, in one line each.
    pub left_out: Vec<String>,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Values between commas, below a line with the names of the columns
    Csv,
    /// Lines of ethers(5); the addresses are in hosts(5)
    Ethers,
    /// The leases of dnsmasq(8)
    Leases,
    /// Warewulf's nodes.conf
    Warewulf,
}

/// What spreadsheets put before a text.
const MARK: char = '\u{feff}';

impl Format {
    /// What a list seems to be; `None` when it is like none of these.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(MARK);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let first = lines.next()?;
        let mut words = first.split_whitespace();
        let (word, next) = (words.next()?, words.next().unwrap_or_default());
        if text.lines().any(|line| line.starts_with("nodes:") || line.starts_with("nodeprofiles:")) {
            Some(Self::Warewulf)
        } else if csv::has_header(first) {
            Some(Self::Csv)
        } else if tables::card(word).is_some() {
            Some(Self::Ethers)
        } else if word.bytes().all(|b| b.is_ascii_digit()) && tables::card(next).is_some() {
            Some(Self::Leases)
        } else {
            None
        }
    }
}

/// Reads a list. `file` is what messages call it, `hosts` what /etc/hosts says of the names in ethers.
///
/// # Errors
/// Every line that cannot be read.
pub fn read(format: Format, file: &str, text: &str, hosts: &str) -> Result<Import, Vec<Problem>> {
    match format {
        Format::Csv => csv::read(file, text),
        Format::Ethers => tables::ethers(file, text, hosts),
        Format::Leases => tables::leases(file, text),
        Format::Warewulf => warewulf::read(file, text),
    }
}

/// How a value is told that has no place in a configuration of ours.
fn left_out(place: &str, value: &str) -> String {
    // What is printed ends in logs.
    if place.contains("pass") { format!("{place}, which is not shown") } else { format!("{place} = {value}") }
}

/// The list, or its problems when there are some.
fn unless<T>(problems: Vec<Problem>, list: T) -> Result<T, Vec<Problem>> {
    if problems.is_empty() { Ok(list) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
