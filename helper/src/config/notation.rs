//! What TOML's parser finds wrong, in the words of somebody who does not know TOML: one problem for one slip.

use std::ops::Range;

use super::judge::Spot;
use super::raw::{TABLES, table_name};
use super::source::Mistake;
use super::spelling::{quote, right, value};
use super::words::Words;

/// A line of a file: where it begins, and its text without the comment.
#[derive(Clone, Copy)]
struct Line<'text> {
    start: usize,
    text: &'text str,
}

/// What a line turned out to be.
struct Slip {
    span: Range<usize>,
    words: Words,
    /// Whether it makes the parser misread what follows.
    misleads: bool,
}

/// The mistakes behind the errors of the parser, each an offset and a message; `base` is where the text begins among all.
pub(super) fn mistakes(text: &str, base: usize, mut errors: Vec<(usize, String)>) -> Vec<Mistake> {
    let mut found = Vec::new();
    errors.sort();
    let duplicate = |message: &str| message == "duplicate key";
    let of_node = |at: usize| header_above(text, at).is_some_and(|line| table_name(line.text) == "node");
    let single =
        lines(text).filter(|line| line.text.starts_with('[') && !line.text.starts_with("[[") && table_name(line.text) == "node");
    let single: Vec<usize> = single.map(|line| line.start + 1).collect();
    if let [first, others @ ..] = &single[..]
        && errors.iter().any(|(at, message)| duplicate(message) && of_node(*at))
    {
        errors.retain(|(at, message)| !(duplicate(message) && of_node(*at)));
        let others: Vec<usize> = others.iter().map(|at| number(text, *at)).collect();
        found.push(one_bracket(first + base..first + base + "node".len(), &others));
    }
    let mut told = None;
    for (at, message) in errors {
        let line = line_at(text, at);
        if told.replace(line.start) == Some(line.start) {
            continue;
        }
        let Slip { span, words, misleads } = diagnose(text, line, at, &message);
        found.push(Mistake::of(span.start + base..span.end + base, words));
        if misleads {
            break;
        }
    }
    found
}

/// Nodes that were written as one table; `others` are the lines where it was done again.
pub(super) fn one_bracket(span: Range<usize>, others: &[usize]) -> Mistake {
    let lines: Vec<String> = others.iter().map(ToString::to_string).collect();
    let more = if lines.is_empty() { String::new() } else { format!(", here and in line {}", lines.join(", ")) };
    Mistake::at(span, "`node` is not a list").remedy(format!("write [[node]], with two brackets{more}"))
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split('\n').map(move |whole| {
        let indent = whole.len() - whole.trim_start().len();
        let line = Line { start: start + indent, text: without_comment(whole.trim_start()).trim_end() };
        start += whole.len() + 1;
        line
    })
}

/// The line with the offset; the last one for what lies behind the end.
fn line_at(text: &str, at: usize) -> Line<'_> {
    let begin = text.get(..at).map_or(0, |before| before.rfind('\n').map_or(0, |newline| newline + 1));
    lines(text)
        .filter(|line| line.start <= at.max(begin) || line.text.is_empty())
        .take_while(|line| line.start <= at.max(begin))
        .last()
        .unwrap_or(Line { start: 0, text: "" })
}

fn number(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The line of the header that the offset belongs to.
fn header_above(text: &str, at: usize) -> Option<Line<'_>> {
    lines(text).take_while(|line| line.start <= at).filter(|line| line.text.starts_with('[')).last()
}

/// A `#` outside of quotes begins a comment.
fn without_comment(line: &str) -> &str {
    let mut open = None;
    for (at, c) in line.char_indices() {
        match (open, c) {
            (None, '"' | '\'') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            (None, '#') => return &line[..at],
            _ => {}
        }
    }
    line
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The key and where its value begins in the line, if the line sets one.
pub(super) fn assignment(line: &str) -> Option<(&str, usize)> {
    let (keys, rest) = line.split_once('=')?;
    // `network.address` and `"address"` are keys, too.
    let bare = |key: &str| is_bare(key.trim().trim_matches(['"', '\'']));
    let key = keys.rsplit('.').next()?.trim().trim_matches(['"', '\'']);
    keys.split('.').all(bare).then(|| (key, line.len() - rest.trim_start().len()))
}

fn diagnose(text: &str, line: Line<'_>, at: usize, message: &str) -> Slip {
    let whole = line.start..line.start + line.text.len().max(1);
    let say = |span: Range<usize>, words: Words| Slip { span, words, misleads: false };
    if let Some((opening, key)) = open_list(text, line) {
        let words = (format!("the list of `{key}` is not closed"), "write `]` behind its last value".to_owned());
        return Slip { span: opening..opening + 1, words, misleads: true };
    }
    if message == "duplicate key" {
        return say(at..at + key_length(text, at), twice(text, line));
    }
    if line.text.starts_with('[')
        && let Some((header, more)) = header_and_more(line.text)
        && more.contains('=')
    {
        let words = (format!("behind {header} stands more"), format!("write {} on a line of its own", more.trim()));
        return say(line.start + header.len()..line.start + line.text.len(), words);
    }
    if line.text.starts_with('[') {
        return say(at..at + 1, header(line.text));
    }
    if line.text.starts_with(';') || line.text.starts_with("//") {
        return say(whole, ("a comment begins with `#`".to_owned(), "write `#` before it".to_owned()));
    }
    if let Some((key, begins)) = assignment(line.text) {
        let span = line.start + begins..line.start + line.text.len().max(begins + 1);
        let (words, misleads) = value(spot(text, line, key), &line.text[begins..], message);
        return Slip { span, words, misleads };
    }
    if let Some((key, rest)) = line.text.split_once("+=") {
        let (key, rest) = (key.trim(), rest.trim());
        return say(
            whole,
            (
                "nothing is added by `+=`".to_owned(),
                format!("write {key} = and the whole value; {rest} alone replaces what is there"),
            ),
        );
    }
    if message.starts_with("unclosed")
        && let Some(opening) = lines(text).filter(|other| other.start <= line.start && assignment(other.text).is_some()).last()
    {
        let (key, begins) = assignment(opening.text).unwrap_or_default();
        let closing = if message.contains("array") { ']' } else { '}' };
        let words = (format!("the value of `{key}` is not closed"), format!("write `{closing}` behind its last part"));
        return Slip { span: opening.start + begins..opening.start + begins + 1, words, misleads: true };
    }
    // `key: value` and `key value`
    let key = line.text.split([':', ' ', '\t', '=']).next().unwrap_or_default();
    let rest = line.text[key.len()..].trim_start_matches([':', ' ', '\t']).trim();
    if spot(text, line, key).kind().is_some() && !rest.contains('=') && !rest.is_empty() {
        return say(whole, (format!("there is no `=` behind `{key}`"), format!("write {}", right(spot(text, line, key), rest))));
    }
    // `set key = value`, as in a shell.
    if let Some((key, begins)) = assignment(rest).filter(|(key, _)| spot(text, line, key).kind().is_some()) {
        let words = (format!("before `{key}` stands more"), format!("write {}", right(spot(text, line, key), &rest[begins..])));
        return say(whole, words);
    }
    // `network:`, `network {`, `<network>`
    let bare = line.text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if let Some((header, _)) = TABLES.iter().find(|(header, _)| table_name(header) == bare.to_lowercase()) {
        let words =
            (format!("the name of the table `{bare}` stands in brackets"), format!("write {header}, and `key = value` below it"));
        return Slip { span: whole, words, misleads: true };
    }
    if let Some(closing) = line.text.chars().next().filter(|first| matches!(first, '}' | ']' | ')')) {
        return say(whole, (format!("this `{closing}` closes nothing"), "remove it".to_owned()));
    }
    // A value on a line of its own is one of a list.
    let item = line.text.trim_end_matches([',', ']', ' ']);
    if !item.is_empty() && !item.contains([' ', '"', '\'', '[', '{', '=']) && !message.contains("comma") && in_list(text, line) {
        return say(whole, ("a value of this list has no quotes".to_owned(), format!("write {}", quote(item))));
    }
    let remedy = if message.contains("comma") {
        "write a comma between the values".to_owned()
    } else {
        "a line is a [table], a `key = value`, or a comment behind `#`".to_owned()
    };
    say(at..at + 1, (message.to_owned(), remedy))
}

/// The key of a line in the table that it stands in.
fn spot<'text>(text: &'text str, line: Line<'text>, key: &'text str) -> Spot<'text> {
    Spot::new(header_above(text, line.start).map_or("", |header| header.text), key)
}

/// A header, and what stands behind it on its line.
fn header_and_more(line: &str) -> Option<(&str, &str)> {
    let end = line.rfind("]]").map_or_else(|| line.find(']').map(|at| at + 1), |at| Some(at + 2))?;
    (!line[..end].contains('=') && end < line.len()).then(|| line.split_at(end))
}

/// Whether a list was opened above the line and is not closed yet.
fn in_list(text: &str, line: Line<'_>) -> bool {
    let above = lines(text).take_while(|other| other.start < line.start);
    let is_open = |text: &str| text.contains('[') && text.matches('[').count() != text.matches(']').count();
    above.filter(|line| assignment(line.text).is_some() || line.text.contains(']')).last().is_some_and(|line| is_open(line.text))
}

/// Whether the parser came to this line inside of a list that was opened above and should have ended there: where the list
/// begins, and its key.
fn open_list<'text>(text: &'text str, line: Line<'_>) -> Option<(usize, &'text str)> {
    // What closes more than it opens is a part of it.
    if line.text.matches(']').count() > line.text.matches('[').count() {
        return None;
    }
    let begins_anew = assignment(line.text).is_some() || line.text.starts_with('[') || line.text.is_empty();
    let above: Vec<_> = lines(text).take_while(|other| other.start < line.start).collect();
    let opens = |line: &Line<'text>| {
        let (key, begins) = assignment(line.text)?;
        let value = &line.text[begins..];
        (value.starts_with('[') && !value.contains(']')).then_some((line.start + begins, key))
    };
    if line.text.is_empty() || begins_anew {
        let last = above.iter().rev().find(|line| assignment(line.text).is_some() || line.text.starts_with('['))?;
        let closed = above
            .iter()
            .skip_while(|line| line.start <= last.start)
            .any(|line| line.text.starts_with(']') || line.text.ends_with(']'));
        return opens(last).filter(|_| !closed);
    }
    None
}

fn key_length(text: &str, at: usize) -> usize {
    text.get(at..).map_or(1, |rest| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()).max(1))
}

/// A key or a table that stands twice.
fn twice(text: &str, line: Line<'_>) -> Words {
    let key = assignment(line.text).map(|(key, _)| key);
    let begins = header_above(text, line.start).filter(|_| key.is_some()).map_or(0, |header| header.start);
    let same = |other: &Line<'_>| match key {
        Some(key) => other.start >= begins && assignment(other.text).is_some_and(|(other, _)| other == key),
        None => other.text.replace(' ', "") == line.text.replace(' ', ""),
    };
    let first = lines(text).take_while(|other| other.start < line.start).find(same).map(|first| number(text, first.start));
    let place = first.map_or_else(String::new, |first| format!(" in line {first}"));
    if key.is_none() && table_name(line.text) == "profile" && line.text.starts_with("[[") {
        let below = lines(text).skip_while(|other| other.start <= line.start).take_while(|other| !other.text.starts_with('['));
        let name = below.filter_map(|other| Some((assignment(other.text)?, other.text))).find(|((key, _), _)| *key == "name");
        let name = name.map_or("NAME", |((_, begins), text)| text[begins..].trim_matches(['"', '\'', ' ']));
        let name = if is_bare(name) { name } else { "NAME" };
        return ("profiles are no list, each has its name in the brackets".to_owned(), format!("write [profile.{name}]"));
    }
    match key {
        Some(key) => (format!("duplicate key `{key}`"), format!("remove one of the two; it is set{place} already")),
        None => (format!("duplicate table {}", line.text), format!("put its keys under the first one{place}")),
    }
}

fn header(line: &str) -> Words {
    let inner = line.trim_matches(['[', ']', ' ', ';', ':']);
    if let Some(name) = inner.strip_prefix("profile ").filter(|name| is_bare(name.trim())) {
        return ("between `profile` and its name stands a dot".to_owned(), format!("write [profile.{}]", name.trim()));
    }
    let bare: String = inner.chars().map(|c| if c == '.' || is_bare(&c.to_string()) { c } else { '-' }).collect();
    let right = if table_name(&bare) == "node" { "[[node]]".to_owned() } else { format!("[{bare}]") };
    let right = if bare.ends_with('.') { "[profile.NAME]".to_owned() } else { right };
    let what = if bare.ends_with('.') {
        "behind the dot of this table stands no name"
    } else if bare != inner {
        "a name in brackets has letters, digits, `-` and `_` only"
    } else if !line.ends_with(']') {
        "the brackets of this table are not closed"
    } else {
        "the brackets of this table do not match"
    };
    (what.to_owned(), format!("write {right}"))
}
