//! What TOML's parser finds wrong, in the words of somebody who does not know TOML: one problem for one slip.

use std::ops::Range;

use super::raw::table_name;
use super::source::Mistake;
use super::words::{self, Kind, Words};

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
fn assignment(line: &str) -> Option<(&str, usize)> {
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
    if line.text.starts_with('[') {
        return say(at..at + 1, header(line.text));
    }
    if line.text.starts_with(';') || line.text.starts_with("//") {
        return say(whole, ("a comment begins with `#`".to_owned(), "write `#` before it".to_owned()));
    }
    if let Some((key, begins)) = assignment(line.text) {
        let span = line.start + begins..line.start + line.text.len().max(begins + 1);
        let (words, misleads) = value(key, &line.text[begins..], message);
        return Slip { span, words, misleads };
    }
    // `key: value` and `key value`
    let key = line.text.split([':', ' ', '\t', '=']).next().unwrap_or_default();
    let rest = line.text[key.len()..].trim_start_matches([':', ' ', '\t']).trim();
    if words::kind(key).is_some() && !rest.contains('=') && !rest.is_empty() {
        return say(whole, (format!("there is no `=` behind `{key}`"), format!("write {}", right(key, rest))));
    }
    // A value on a line of its own is one of a list.
    let item = line.text.trim_end_matches([',', ']', ' ']);
    if !item.is_empty() && !item.contains([' ', '"', '\'', '[', '{', '=']) && !message.contains("comma") {
        return say(whole, ("a value of this list has no quotes".to_owned(), format!("write {}", quote(item))));
    }
    let remedy = if message.contains("comma") {
        "write a comma between the values".to_owned()
    } else {
        "a line is a [table], a `key = value`, or a comment behind `#`".to_owned()
    };
    say(at..at + 1, (message.to_owned(), remedy))
}

/// Whether the parser came to this line inside of a list that was opened above and should have ended there: where the list
/// begins, and its key.
fn open_list<'text>(text: &'text str, line: Line<'_>) -> Option<(usize, &'text str)> {
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
    let what = if bare != inner {
        "a name in brackets has letters, digits, `-` and `_` only"
    } else if !line.ends_with(']') {
        "the brackets of this table are not closed"
    } else {
        "the brackets of this table do not match"
    };
    (what.to_owned(), format!("write {right}"))
}

/// What is wrong with the text behind a `=`, and whether it misleads the parser.
fn value(key: &str, value: &str, message: &str) -> (Words, bool) {
    let say = |what: String, remedy: String| ((what, remedy), false);
    let write = || format!("write {}", right(key, value));
    match value.chars().next() {
        None => say(format!("`{key}` has no value"), format!("write {}", right(key, "…"))),
        Some('=') => say(
            format!("there are two `=` behind `{key}`"),
            format!("write {}", right(key, value.trim_start_matches(['=', ' ']))),
        ),
        Some('“' | '”' | '„' | '‘' | '’' | '«' | '»') => {
            say(format!("the quotes of `{key}` are not those of a keyboard"), write())
        }
        Some('"' | '\'') if message.contains("escape") => say(
            format!("a backslash in the value of `{key}` begins a code"),
            "write two of them, or put the text into single quotes".to_owned(),
        ),
        Some(quote @ ('"' | '\'')) => match value[1..].split_once(quote) {
            None => ((format!("the quotes of `{key}` are not closed"), write()), true),
            Some((_, rest)) if rest.trim_start().starts_with(',') && rest.contains('=') => {
                say(format!("behind the value of `{key}` stands another key"), "write each key on a line of its own".to_owned())
            }
            Some((_, rest)) if rest.trim_start().starts_with(',') && rest.trim().len() > 1 => {
                say(format!("several values of `{key}` are a list"), format!("write {key} = [{value}]"))
            }
            Some((text, _)) => say(format!("behind the value of `{key}` stands more"), format!("write {}", right(key, text))),
        },
        Some('[') => {
            let inner = value.trim_matches(['[', ']', ' ', ',', ';']);
            let quoted = |item: &str| item.trim().starts_with(['"', '\'', '{']);
            if inner.split(',').all(quoted) {
                return say(message.to_owned(), "write a comma between the values".to_owned());
            }
            let items: Vec<String> = inner.split(',').map(quote).collect();
            say(format!("the values in the list of `{key}` have no quotes"), format!("write {key} = [{}]", items.join(", ")))
        }
        Some('{') => say(message.to_owned(), "write { key = \"value\", key = \"value\" }".to_owned()),
        Some(_) => {
            let what = match words::kind(key) {
                Some(Kind::Flag) => format!("`{key}` must be true or false"),
                Some(Kind::Number) => format!("`{key}` must be a whole number, and nothing behind it"),
                _ => format!("the value of `{key}` has no quotes"),
            };
            say(what, write())
        }
    }
}

/// A text in quotes, whatever quotes and ends it had.
fn quote(text: &str) -> String {
    let bare = text.trim().trim_matches(['"', '\'', '“', '”', '„', '‘', '’', '«', '»', ';', ',', ' ']);
    format!("\"{}\"", bare.replace('\\', "\\\\"))
}

/// How the key is set to what was meant.
fn right(key: &str, text: &str) -> String {
    let bare = text.trim().trim_end_matches([';', ',']);
    let value = match words::kind(key) {
        Some(Kind::Flag) => {
            words::flag(bare.trim_matches(['"', '\''])).map_or("true or false".to_owned(), |flag| flag.to_string())
        }
        Some(Kind::Number) => words::number(key, bare.trim_matches(['"', '\''])).to_string(),
        Some(Kind::List) => format!("[{}]", bare.split(',').map(quote).collect::<Vec<_>>().join(", ")),
        Some(Kind::Text | Kind::TextOrList) | None => quote(bare),
    };
    format!("{key} = {value}")
}
