//! Where a value was written, and the messages that say so.

use std::fmt;
use std::ops::Range;

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

    /// Resolves a problem to a message with file, line, column and caret.
    #[must_use]
    pub fn explain(&self, problem: &Problem) -> Message {
        let span = problem.span.clone().unwrap_or(0..0);
        let (Some(Source { name, text, base, lines }), Some(_)) = (self.file_at(span.start), &problem.span) else {
            let file = self.first_name().to_owned();
            return Message {
                file,
                line: 0,
                column: 0,
                problem: problem.text.clone(),
                excerpt: String::new(),
                remedy: problem.remedy.clone(),
            };
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
        Message {
            file: name.clone(),
            line,
            column: text[line_start..start].chars().count() + 1,
            problem: problem.text.clone(),
            excerpt: caret(&text[line_start..line_end], text[line_start..start].chars().count(), width),
            remedy: problem.remedy.clone(),
        }
    }
}

/// The line and a caret under the part that is meant; tabs keep their width in both.
fn caret(line: &str, before: usize, width: usize) -> String {
    let pad: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("  | {}\n  | {pad}{}", line.trim_end(), "^".repeat(width))
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, in [`Sources`]; `None` when nothing in the files is to blame, but something is missing.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub text: String,
    /// What would be right, when the text does not say so already.
    pub remedy: Option<String>,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn at(span: Range<usize>, text: impl Into<String>) -> Self {
        Self { span: Some(span), text: text.into(), remedy: None }
    }

    /// Something that is missing altogether.
    #[must_use]
    pub fn missing(text: impl Into<String>) -> Self {
        Self { span: None, text: text.into(), remedy: None }
    }

    /// Says what would be right.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// A problem with its place worked out; printed as `FILE:LINE:COLUMN: what is wrong`, the line, a caret, the remedy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// The file's name.
    pub file: String,
    /// The line, from 1; 0 when the problem has no place.
    pub line: usize,
    /// The column in characters, from 1; 0 when the problem has no place.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// The line and a caret.
    #[serde(skip)]
    pub excerpt: String,
    /// What would be right.
    pub remedy: Option<String>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.problem)?;
        } else {
            write!(f, "{}:{}:{}: {}\n{}", self.file, self.line, self.column, self.problem, self.excerpt)?;
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\n  = {remedy}"))
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
        let message = sources.explain(&Problem::at(base + 9..base + 13, "odd").remedy("even"));
        assert_eq!(message.to_string(), "b.conf:2:9: odd\n  | \tname = \"ä\"\n  | \t       ^^^\n  = even");
    }

    #[test]
    fn any_span_can_be_explained() {
        let mut sources = Sources::default();
        sources.add("a".into(), "ä\n".into());
        for start in 0..9 {
            for end in 0..9 {
                let _ = sources.explain(&Problem::at(start..end, "")).to_string();
            }
        }
        let _ = Sources::default().explain(&Problem::missing("x")).to_string();
    }
}
