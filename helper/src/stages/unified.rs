//! Unified diffs of texts. Pure.

use std::fmt::Write;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};

/// Lines around a change.
const CONTEXT: u32 = 3;

/// The unified diff of two texts, nothing when they are the same.
pub(super) fn unified(before: &str, after: &str, old: &str, new: &str) -> String {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let hunks: Vec<Hunk> = diff.hunks().collect();
    let mut out = String::new();
    let lines = |out: &mut String, sign: char, tokens: &[Token], range: Range<u32>| {
        for token in tokens.get(range.start as usize..range.end as usize).unwrap_or_default() {
            let line = input.interner[*token];
            out.extend([sign]);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    for group in hunks.chunk_by(|one, next| next.before.start - one.before.end <= 2 * CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if out.is_empty() {
            out = format!("--- {old}\n+++ {new}\n");
        }
        let lead = first.before.start.min(CONTEXT);
        let trail = CONTEXT.min(u32::try_from(input.before.len()).unwrap_or(u32::MAX) - last.before.end);
        let place = |first: &Range<u32>, last: &Range<u32>| place(first.start - lead, last.end + trail);
        let _ = writeln!(out, "@@ -{} +{} @@", place(&first.before, &last.before), place(&first.after, &last.after));
        let mut at = first.before.start - lead;
        for hunk in group {
            lines(&mut out, ' ', &input.before, at..hunk.before.start);
            lines(&mut out, '-', &input.before, hunk.before.clone());
            lines(&mut out, '+', &input.after, hunk.after.clone());
            at = hunk.before.end;
        }
        lines(&mut out, ' ', &input.before, at..at + trail);
    }
    out
}

/// Where a piece is, as patch(1) reads it: a piece without lines stands behind the line before.
fn place(start: u32, end: u32) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        lines => format!("{},{lines}", start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(lines: impl IntoIterator<Item = u32>) -> String {
        lines.into_iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn what_is_the_same_has_no_difference() {
        assert_eq!(unified("a\n", "a\n", "a/x", "b/x"), "");
        assert_eq!(unified("", "", "a/x", "b/x"), "");
    }

    #[test]
    fn a_file_that_comes_or_goes_begins_at_line_0() {
        assert_eq!(unified("", "a\nb\n", "/dev/null", "b/x"), "--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified("a\n", "", "a/x", "/dev/null"), "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
    }

    #[test]
    fn changes_that_are_close_share_their_context() {
        let before = numbers(1..=30);
        let after = numbers((1..=30).filter(|line| ![5, 11, 25].contains(line)));
        let diff = unified(&before, &after, "a", "b");
        let heads: Vec<&str> = diff.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(heads, ["@@ -2,13 +2,11 @@", "@@ -22,7 +20,6 @@"]);
        assert!(diff.contains("@@\n 2\n 3\n 4\n-5\n 6\n 7\n 8\n 9\n 10\n-11\n 12\n 13\n 14\n@@"), "{diff}");
    }

    #[test]
    fn a_last_line_without_its_end_is_told() {
        let diff = unified("a\nb", "a\nb\n", "a", "b");
        assert_eq!(diff, "--- a\n+++ b\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
    }
}
