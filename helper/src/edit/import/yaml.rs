//! The YAML that Warewulf writes, and no more of it: blocks by indentation, plain and quoted scalars, lists.
//! It is written by a program, so a parser of the whole language would not earn its size.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    /// A scalar, whatever its type.
    Text(String),
    /// A list.
    List(Vec<Yaml>),
    /// A mapping, in the order in which it is written.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// A member of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.members().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All members of a mapping.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let map = if let Self::Map(map) = self { Some(map) } else { None };
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
    }

    /// The text, of a list that of its items with blanks.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(_) => self.items().join(" "),
            Self::Map(_) => String::new(),
        }
    }

    /// The texts of a list, or a scalar as one of its own: older versions separate by commas.
    pub(super) fn items(&self) -> Vec<String> {
        let one = |item: &Self| if let Self::Text(text) = item { Some(text.clone()) } else { None };
        match self {
            Self::Text(text) => text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect(),
            Self::List(items) => items.iter().filter_map(one).collect(),
            Self::Map(_) => Vec::new(),
        }
    }

    /// What a list has besides texts.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Self> {
        let items = if let Self::List(items) = self { Some(items) } else { None };
        items.into_iter().flatten().filter(|item| !matches!(item, Self::Text(_)))
    }
}

/// A line with its number, its indentation, and what is on it.
type Line<'text> = (usize, usize, &'text str);

/// Reads a document.
///
/// # Errors
/// The first line that is not of this kind.
pub(super) fn parse(text: &str) -> Result<Yaml, usize> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.len() - line.trim_start_matches(' ').len(), line.trim()));
    let lines = lines.filter(|(_, _, line)| !line.is_empty() && !line.starts_with('#') && !matches!(*line, "---" | "..."));
    let lines: Vec<Line<'_>> = lines.flat_map(|line| opened(line).into_iter().flatten()).collect();
    let mut rest = &lines[..];
    let value = block(&mut rest, 0, 0)?;
    rest.first().map_or(Ok(value), |(number, ..)| Err(*number))
}

/// What the item of a list begins that is a mapping. Its first line is two: the mark of the item, and its first member.
const ITEM: &str = "-";

fn opened((number, indent, line): Line<'_>) -> [Option<Line<'_>>; 2] {
    match line.strip_prefix("- ").map(str::trim_start).filter(|item| entry(item).is_some()) {
        Some(item) => [Some((number, indent, ITEM)), Some((number, indent + line.len() - item.len(), item))],
        None => [Some((number, indent, line)), None],
    }
}

fn is_item(line: &str) -> bool {
    line == ITEM || line.starts_with("- ")
}

/// The mapping or the list whose lines are indented as the next one. `depth` counts what it is in: the document, its nodes,
/// one of these. None of them is a list.
fn block(rest: &mut &[Line<'_>], least: usize, depth: usize) -> Result<Yaml, usize> {
    let indent = rest.first().map_or(least, |(_, indent, _)| *indent);
    if rest.first().is_some_and(|(_, _, line)| is_item(line)) {
        return list(rest, indent, depth);
    }
    let mut map = Vec::new();
    while let Some((number, _, line)) = rest.first().copied().filter(|(_, here, _)| *here == indent && indent >= least) {
        *rest = &rest[1..];
        let (key, value) = entry(line).ok_or(number)?;
        let value = match value {
            "" if rest.first().is_some_and(|next| next.1 > indent) => block(rest, indent + 1, depth + 1)?,
            // A list may be indented as its key is.
            "" if rest.first().is_some_and(|next| next.1 == indent && is_item(next.2)) => list(rest, indent, depth + 1)?,
            "" | "null" | "~" => Yaml::Text(String::new()),
            "{}" => Yaml::Map(Vec::new()),
            value => match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
                Some(inner) => {
                    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
                    Yaml::List(items.map(|item| scalar(item, number).map(Yaml::Text)).collect::<Result<_, _>>()?)
                }
                None => Yaml::Text(scalar(value, number)?),
            },
        };
        map.push((scalar(key, number)?, value));
    }
    Ok(Yaml::Map(map))
}

/// The list whose items are indented so far.
fn list(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Yaml, usize> {
    const LEAST: usize = 3;
    let mut items = Vec::new();
    while let Some((number, _, line)) = rest.first().copied().filter(|(_, here, line)| *here == indent && is_item(line)) {
        if depth < LEAST {
            return Err(number);
        }
        *rest = &rest[1..];
        items.push(match line.strip_prefix("- ") {
            Some(item) => Yaml::Text(scalar(item.trim(), number)?),
            None => block(rest, indent + 1, depth + 1)?,
        });
    }
    Ok(Yaml::List(items))
}

/// `KEY: VALUE`, or `KEY:`
fn entry(line: &str) -> Option<(&str, &str)> {
    let from = if line.starts_with(['"', '\'']) { line[1..].find(&line[..1])? + 2 } else { 0 };
    let behind = &line[from..];
    let colon = behind.find(": ").or_else(|| behind.strip_suffix(':').map(str::len))? + from;
    let value = line[colon + 1..].trim();
    Some((&line[..colon], if value.starts_with('#') { "" } else { value }))
}

/// A scalar without its quotes. What else may begin one is of a kind that we do not read.
fn scalar(text: &str, number: usize) -> Result<String, usize> {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    if let Some(inner) = inner('\'') {
        return Ok(inner.replace("''", "'"));
    }
    if let Some(inner) = inner('"') {
        return if inner.contains('\\') { Err(number) } else { Ok(inner.to_owned()) };
    }
    let plain = text.split(" #").next().unwrap_or_default().trim_end();
    let odd = plain.starts_with(['"', '\'', '|', '>', '&', '*', '!', '{', '[', '%', '@', '`', '?']);
    if odd || plain.contains(": ") { Err(number) } else { Ok(plain.to_owned()) }
}
