//! How messages count.

/// `1 file`, `2 files`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
    fn long_lists_end_with_how_much_is_left_out() {
        let lines = ["a", "b", "c"].map(ToOwned::to_owned);
        assert_eq!(listed(&lines, 3), "\n  a\n  b\n  c");
        assert_eq!(listed(&lines, 1), "\n  a\n  and 2 more");
        assert_eq!((counted(1, "file"), counted(0, "file")), ("1 file".to_owned(), "0 files".to_owned()));
    }
}
