//! What is wrong with the configuration or an overlay, in one shape for people and for `--json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Of one kind so many are told each; where there are more, the first and a count.
const ALIKE: usize = 10;

/// Something wrong in a file, and what would be right.
///
/// Printed as `FILE:LINE:COLUMN: what; remedy`, or with an excerpt on lines of their own. In JSON a place that is not known
/// is 0, a remedy that is not known null.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    /// The file; empty when the problem is in none.
    pub file: String,
    /// The line, from 1; 0 when there is none to name.
    pub line: usize,
    /// The column in characters, from 1; 0 when there is none to name.
    pub column: usize,
    /// What is wrong.
    #[serde(rename = "problem")]
    pub what: String,
    /// What would be right.
    pub remedy: Option<String>,
    /// The line as it stands and a caret under the place, for people.
    #[serde(skip)]
    pub excerpt: String,
}

impl Problem {
    /// A problem of a whole file.
    #[must_use]
    pub fn new(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self { file: file.into(), what: what.into(), ..Self::default() }
    }

    /// Names the line.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = line;
        self
    }

    /// Says what would be right.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What is wrong without the names and numbers of this one: what a loop wrote wrongly a thousand times is one kind.
    fn kind(&self) -> String {
        let unquoted = self.what.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let is_name = |word: &str| word.contains(|c: char| c.is_ascii_digit() || matches!(c, '/' | '"'));
        unquoted.split(' ').map(|word| if is_name(word) { "_" } else { word }).collect::<Vec<_>>().join(" ")
    }

    /// Place and problem without remedy and excerpt, for a message of one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let mut text = self.file.clone();
        for number in [self.line, self.column].into_iter().filter(|number| *number > 0) {
            text.push_str(&format!(":{number}"));
        }
        if text.is_empty() { self.what.clone() } else { format!("{text}: {}", self.what) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        let before = if self.excerpt.is_empty() {
            "; "
        } else {
            write!(f, "\n{}", self.excerpt)?;
            "\n  = "
        };
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "{before}{remedy}"))
    }
}

/// All of them for people: of a kind that is there too often the first, and how many more.
#[must_use]
pub fn listed(problems: &[Problem]) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        kinds.entry(problem.kind()).or_default().push(problem);
    }
    let line = |problem: &Problem| match kinds.get(&problem.kind()).map_or(&[][..], Vec::as_slice) {
        [first, others @ ..] if others.len() >= ALIKE => (*first == problem).then(|| {
            let more = others.len();
            format!("{problem}\nand {more} more of this kind, which `voidclust check --json` lists")
        }),
        _ => Some(problem.to_string()),
    };
    problems.iter().filter_map(line).collect()
}

/// A message in the words of all our errors, `FILE[:LINE[:COLUMN]]: what is wrong; what to do`. What has no such form is
/// kept whole.
impl From<String> for Problem {
    fn from(text: String) -> Self {
        let Some((place, rest)) = text.split_once(": ") else { return Self::new("", text) };
        let mut file = place;
        let mut numbers = Vec::new();
        while let Some((before, number)) = file.rsplit_once(':')
            && let Ok(number) = number.parse()
            && numbers.len() < 2
        {
            numbers.insert(0, number);
            file = before;
        }
        let (what, remedy) = rest.split_once("; ").map_or((rest, None), |(what, remedy)| (what, Some(remedy.to_owned())));
        let at = |index| numbers.get(index).copied().unwrap_or(0);
        Self { line: at(0), column: at(1), remedy, ..Self::new(file, what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_text_and_gets_its_parts() {
        for (text, parts) in [
            ("/etc/a.conf:2:9: odd; be even", ("/etc/a.conf", 2, 9, "odd", Some("be even"))),
            ("/a/b.j2:3: a variable is not defined", ("/a/b.j2", 3, 0, "a variable is not defined", None)),
            ("/a/x:y: odd; be even; at once", ("/a/x:y", 0, 0, "odd", Some("be even; at once"))),
            ("nothing but words", ("", 0, 0, "nothing but words", None)),
        ] {
            let problem = Problem::from(text.to_owned());
            assert_eq!(problem.to_string(), text);
            let Problem { file, line, column, what, remedy, .. } = problem;
            assert_eq!((file.as_str(), line, column, what.as_str(), remedy.as_deref()), parts);
        }
    }

    #[test]
    fn a_kind_that_is_there_too_often_is_told_once() {
        let of = |what: &str, count: usize| -> Vec<Problem> {
            (1..=count).map(|n| Problem::new("a", what.replace('N', &n.to_string())).line(n)).collect()
        };
        for what in ["node `xN y` has 51 cards", "N.0.0.1 is odd", "/a/N is mounted twice", "`wrong` is odd"] {
            assert_eq!(listed(&of(what, ALIKE)).len(), ALIKE, "{what}");
            let mut many = of(what, 1000);
            many.push(Problem::new("b", "something else"));
            let first = format!("{}\nand 999 more of this kind, which `voidclust check --json` lists", many[0]);
            assert_eq!(listed(&many), [first, "b: something else".to_owned()]);
        }
    }

    #[test]
    fn json_has_every_part_but_the_excerpt() {
        let problem = Problem { excerpt: "  | x".to_owned(), ..Problem::new("a", "odd").line(2) };
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(json, r#"{"file":"a","line":2,"column":0,"problem":"odd","remedy":null}"#);
    }
}
