//! How messages count.

/// `1 file`, `2 files`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `3.1 MB`: bytes in thousands, as disks are sold and `image list` counts.
#[must_use]
pub fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

/// How long something takes, roughly: `12 s`, `5 min`, `3 h`, `2 d`.
#[must_use]
pub fn roughly(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Seconds since 1970 as `2026-11-30 01:02` (UTC).
#[must_use]
pub fn date(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// The first `most` names, and how many more there are.
#[must_use]
pub fn some(names: &[impl AsRef<str>], most: usize, between: &str) -> String {
    let (shown, more) = names.split_at(names.len().min(most));
    let shown = shown.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(between);
    if more.is_empty() { shown } else { format!("{shown} and {} more", more.len()) }
}

/// One line for each of the first `limit` lines, and one that says how many more there are.
#[must_use]
pub fn listed(lines: &[String], limit: usize) -> String {
    let mut text: String = lines.iter().take(limit).map(|line| format!("\n  {line}")).collect();
    if lines.len() > limit {
        text.push_str(&format!("\n  and {} more", lines.len() - limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_times_are_read_by_people() {
        assert_eq!([0, 999, 1000, 3_141_592, 5_000_000_000].map(bytes), ["0 B", "999 B", "1.0 kB", "3.1 MB", "5.0 GB"]);
        assert_eq!([119, 7199, 7200, 172_800].map(roughly), ["119 s", "119 min", "2 h", "2 d"]);
        assert_eq!(date(1_764_547_200), "2025-12-01 00:00");
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(some(&["a", "b"], 2, ", "), "a, b");
        assert_eq!(some(&["a", "b", "c"], 1, " "), "a and 2 more");
        assert_eq!(some(&[""; 0], 2, " "), "");
    }

    #[test]
    fn long_lists_end_with_how_much_is_left_out() {
        let lines = ["a", "b", "c"].map(ToOwned::to_owned);
        assert_eq!(listed(&lines, 3), "\n  a\n  b\n  c");
        assert_eq!(listed(&lines, 1), "\n  a\n  and 2 more");
        assert_eq!((counted(1, "file"), counted(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
    }
}
