//! Where a value was written, and the problems that say so.

use std::ops::Range;

use crate::types::Problem;

/// The configuration files one after the other, as one text: a span tells which file, line and column it is from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
    end: usize,
}

/// One file: its name, its text, where the text begins among all, and where its lines begin.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    text: String,
    base: usize,
    lines: Vec<usize>,
}

impl Sources {
    /// Adds a file under the name that messages give it; returns where its text begins.
    pub fn add(&mut self, name: String, text: String) -> usize {
        let base = self.end;
        // One more than its length, so that an error at its very end is not the next file's beginning.
        self.end += text.len() + 1;
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(Source { name, text, base, lines });
        base
    }

    fn file_at(&self, offset: usize) -> Option<&Source> {
        self.files.iter().rev().find(|source| source.base <= offset)
    }

    /// The name of the first file, for problems that are about all of them.
    #[must_use]
    pub fn first_name(&self) -> &str {
        self.files.first().map_or("", |source| &source.name)
    }

    /// Works out file, line, column and caret.
    #[must_use]
    pub fn explain(&self, mistake: &Mistake) -> Problem {
        let span = mistake.span.clone().unwrap_or(0..0);
        let (Some(Source { name, text, base, lines }), Some(_)) = (self.file_at(span.start), &mistake.span) else {
            let problem = Problem::new(self.first_name(), &mistake.what);
            return Problem { remedy: mistake.remedy.clone(), ..problem };
        };
        let clamp = |offset: usize| {
            let mut offset = offset.saturating_sub(*base).min(text.len());
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            offset
        };
        let (start, end) = (clamp(span.start), clamp(span.end));
        let line = lines.partition_point(|begin| *begin <= start);
        let line_start = line.checked_sub(1).and_then(|line| lines.get(line)).copied().unwrap_or(0);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let width = text[start..end.clamp(start, line_end.max(start))].chars().count().max(1);
        Problem {
            file: name.clone(),
            line,
            column: text[line_start..start].chars().count() + 1,
            what: mistake.what.clone(),
            excerpt: caret(&text[line_start..line_end], text[line_start..start].chars().count(), width),
            remedy: mistake.remedy.clone(),
        }
    }
}

/// The line and a caret under the part that is meant; tabs keep their width in both.
fn caret(line: &str, before: usize, width: usize) -> String {
    let pad: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("  | {}\n  | {pad}{}", line.trim_end(), "^".repeat(width))
}

/// One thing that is wrong with the configuration: a [`Problem`] whose place is not worked out yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in [`Sources`]; `None` when nothing in the files is to blame, but something is missing.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub remedy: Option<String>,
}

impl Mistake {
    /// Something wrong at a place.
    #[must_use]
    pub fn at(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span: Some(span), what: what.into(), remedy: None }
    }

    /// The same, from what is wrong and what would be right.
    #[must_use]
    pub fn of(span: Range<usize>, (what, remedy): (String, String)) -> Self {
        Self::at(span, what).remedy(remedy)
    }

    /// Something that is missing altogether.
    #[must_use]
    pub fn missing(what: impl Into<String>) -> Self {
        Self { span: None, what: what.into(), remedy: None }
    }

    /// Says what would be right.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_names_file_line_and_column() {
        let mut sources = Sources::default();
        sources.add("a.conf".into(), "x = 1\n".into());
        let base = sources.add("b.conf".into(), "\n\tname = \"ä\"\n".into());
        let problem = sources.explain(&Mistake::at(base + 9..base + 13, "odd").remedy("even"));
        assert_eq!(problem.to_string(), "b.conf:2:9: odd\n  | \tname = \"ä\"\n  | \t       ^^^\n  = even");
    }

    #[test]
    fn any_span_can_be_explained() {
        let mut sources = Sources::default();
        sources.add("a".into(), "ä\n".into());
        for start in 0..9 {
            for end in 0..9 {
                let _ = sources.explain(&Mistake::at(start..end, "")).to_string();
            }
        }
        let _ = Sources::default().explain(&Mistake::missing("x")).to_string();
    }
}
