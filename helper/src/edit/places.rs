//! Where the nodes and their keys stand in the texts.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Draft, inline, name};
use super::{Refused, Splice};
use crate::config::Texts;
use crate::types::Problem;

/// A node in the text of a file.
#[derive(Debug)]
pub(super) struct Place<'text> {
    /// The number of the file.
    pub(super) file: usize,
    called: &'text str,
    text: &'text str,
    header: Range<usize>,
    table: DeTable<'text>,
}

/// The nodes of all files, in the order of the site.
pub(super) fn of_nodes(texts: &Texts) -> Result<Vec<Place<'_>>, Refused> {
    let mut places = Vec::new();
    for (file, (called, text)) in texts.iter().enumerate() {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            Refused::Wrong(vec![Problem::new(called, error.message()).line(line).remedy("see voidclust check")])
        })?;
        let nodes = table.into_inner().into_iter().find(|(key, _)| key.get_ref() == "node").map(|(_, value)| value.into_inner());
        let Some(DeValue::Array(nodes)) = nodes else { continue };
        for node in nodes {
            let header = node.span();
            if let DeValue::Table(table) = node.into_inner() {
                places.push(Place { file, called, text, header, table });
            }
        }
    }
    Ok(places)
}

/// The number of the line, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

impl Place<'_> {
    /// `FILE:LINE`
    pub(super) fn told(&self) -> String {
        format!("{}:{}", self.called, line_of(self.text, self.header.start))
    }

    fn by_hand(&self, at: usize, what: &str) -> Refused {
        let problem = Problem::new(self.called, what).line(line_of(self.text, at));
        Refused::ByHand(problem.remedy("change it with an editor"))
    }

    /// Refuses a node that has no lines of its own.
    pub(super) fn is_table(&self) -> Result<(), Refused> {
        if self.text[self.header.clone()].starts_with("[[") {
            return Ok(());
        }
        Err(self.by_hand(self.header.start, "this node is a part of one list, not a [[node]] with lines of its own"))
    }

    /// All of the node, as nothing: its lines, and the blank ones before it.
    pub(super) fn whole(&self) -> Splice {
        let above = &self.text[..self.line_start(self.header.start)];
        let kept = above.trim_end().len();
        let begin = if kept == 0 { 0 } else { self.line_end(kept) };
        (begin..self.line_end(last(&self.table, self.header.end)), String::new())
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// Behind the end of the line.
    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// What changes in the text when the draft is said of the node.
    pub(super) fn set(&self, draft: &Draft) -> Result<Vec<Splice>, Refused> {
        let mut splices = Vec::new();
        let mut new = String::new();
        for (key, value) in &draft.set {
            match find(&self.table, key) {
                Some((_, there)) if !is_in_brackets_of(self.text, there) => splices.push((there.span(), value.clone())),
                Some((key, _)) => return Err(self.by_hand(key.span().start, "this key has tables of its own")),
                None => new.push_str(&format!("{key} = {value}\n")),
            }
        }
        for key in &draft.unset {
            match find(&self.table, key) {
                Some((key, there)) if !is_in_brackets_of(self.text, there) && !is_dotted(self.text, key.span().end) => {
                    splices.push((self.line_start(key.span().start)..self.line_end(there.span().end), String::new()));
                }
                Some((key, _)) => return Err(self.by_hand(key.span().start, "this key has tables of its own")),
                None => {}
            }
        }
        match find(&self.table, "vars") {
            _ if draft.vars.is_empty() => {}
            None => new.push_str(&format!("vars = {}\n", inline(&draft.vars))),
            Some((key, value)) => splices.extend(self.set_vars(key, value, draft)?),
        }
        if !new.is_empty() {
            splices.push(self.behind(&own_lines_end(self.text, &self.table, self.header.end), &new));
        }
        Ok(splices)
    }

    /// Lines behind the one in which something ends, as far to the right as the header.
    fn behind(&self, end: &usize, lines: &str) -> Splice {
        let at = self.line_end(*end);
        let indent = &self.text[self.line_start(self.header.start)..self.header.start];
        let lines: String = lines.lines().map(|line| format!("{indent}{line}\n")).collect();
        let begin = if self.text[..at].ends_with('\n') { "" } else { "\n" };
        (at..at, format!("{begin}{lines}"))
    }

    /// Values for templates: in braces, or below brackets of their own.
    fn set_vars(
        &self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        draft: &Draft,
    ) -> Result<Vec<Splice>, Refused> {
        let DeValue::Table(vars) = value.get_ref() else { return Ok(Vec::new()) };
        let mut splices = Vec::new();
        let mut new = Vec::new();
        for (var, value) in &draft.vars {
            match find(vars, var) {
                Some((_, there)) => splices.push((there.span(), value.clone())),
                None => new.push((var.clone(), value.clone())),
            }
        }
        if new.is_empty() {
            return Ok(splices);
        }
        let written = &self.text[value.span()];
        if let Some(open) = written.strip_suffix('}').filter(|open| open.starts_with('{')) {
            let end = value.span().start + open.trim_end().len();
            let more = inline(&new);
            let more = more.trim_start_matches("{ ").trim_end_matches(" }");
            let comma = if vars.is_empty() { " " } else { ", " };
            splices.push((end..value.span().end - 1, format!("{comma}{more} ")));
        } else if is_in_brackets_of(self.text, value) {
            let lines: String = new.iter().map(|(var, value)| format!("{} = {value}\n", name(var))).collect();
            splices.push(self.behind(&own_lines_end(self.text, vars, value.span().end), &lines));
        } else {
            return Err(self.by_hand(key.span().start, "these values are written with dots"));
        }
        Ok(splices)
    }
}

fn find<'table, 'text>(
    table: &'table DeTable<'text>,
    name: &str,
) -> Option<(&'table Spanned<std::borrow::Cow<'text, str>>, &'table Spanned<DeValue<'text>>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

/// Whether a table, or a list of tables, has headers of its own, which are then its place.
fn is_in_brackets_of(text: &str, value: &Spanned<DeValue<'_>>) -> bool {
    let first = |value: &Spanned<DeValue<'_>>| text[value.span()].trim_start().starts_with('[');
    match value.get_ref() {
        DeValue::Table(_) => first(value),
        DeValue::Array(list) => list.iter().next().is_some_and(|item| item.get_ref().is_table() && first(item)),
        _ => false,
    }
}

/// Whether a key goes on behind its name: `vars.rack`.
fn is_dotted(text: &str, end: usize) -> bool {
    text[end..].trim_start().starts_with('.')
}

/// Where the last value ends, whatever table it is in.
fn last(table: &DeTable<'_>, end: usize) -> usize {
    table.values().map(|value| last_of(value, end)).max().unwrap_or(end).max(end)
}

fn last_of(value: &Spanned<DeValue<'_>>, end: usize) -> usize {
    let inner = match value.get_ref() {
        DeValue::Table(table) => last(table, end),
        DeValue::Array(list) => list.iter().map(|item| last_of(item, end)).max().unwrap_or(end),
        _ => end,
    };
    inner.max(value.span().end)
}

/// Where the last value ends that stands below the header itself.
fn own_lines_end(text: &str, table: &DeTable<'_>, header: usize) -> usize {
    let own = table.values().filter(|value| !is_in_brackets_of(text, value));
    own.map(|value| last_of(value, header)).max().unwrap_or(header).max(header)
}
