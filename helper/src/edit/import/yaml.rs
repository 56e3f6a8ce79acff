//! The YAML that Warewulf writes, and no more of it: blocks by indentation, plain and quoted scalars, lists of scalars.
//! It is written by a program, so a parser of the whole language would not earn its size.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Yaml {
    /// A scalar, whatever its type.
    Text(String),
    /// A list of scalars.
    List(Vec<String>),
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

    /// The text, of a list its items with blanks.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(" "),
            Self::Map(_) => String::new(),
        }
    }

    /// The items of a list, or a scalar as one of its own: older versions separate by commas.
    pub(super) fn items(&self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect(),
            Self::List(items) => items.clone(),
            Self::Map(_) => Vec::new(),
        }
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
    let lines: Vec<Line<'_>> =
        lines.filter(|(_, _, line)| !line.is_empty() && !line.starts_with('#') && !matches!(*line, "---" | "...")).collect();
    let mut rest = &lines[..];
    let value = block(&mut rest, 0)?;
    rest.first().map_or(Ok(value), |(number, ..)| Err(*number))
}

/// The mapping or the list whose lines are indented as the next one.
fn block(rest: &mut &[Line<'_>], least: usize) -> Result<Yaml, usize> {
    let (mut map, mut list) = (Vec::new(), Vec::new());
    let indent = rest.first().map_or(least, |(_, indent, _)| *indent);
    while let Some((number, _, line)) = rest.first().copied().filter(|(_, here, _)| *here == indent && indent >= least) {
        *rest = &rest[1..];
        if let Some(item) = line.strip_prefix("- ") {
            list.push(scalar(item.trim(), number)?);
            continue;
        }
        let (key, value) = entry(line).ok_or(number)?;
        // A list may be indented as its key is.
        let is_list = |next: &Line<'_>| next.1 == indent && next.2.starts_with("- ");
        let value = match value {
            "" if rest.first().is_some_and(|next| next.1 > indent) => block(rest, indent + 1)?,
            "" if rest.first().is_some_and(is_list) => Yaml::List(items(rest, indent)?),
            "" | "null" | "~" => Yaml::Text(String::new()),
            "{}" => Yaml::Map(Vec::new()),
            value => match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
                Some(inner) => {
                    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
                    Yaml::List(items.map(|item| scalar(item, number)).collect::<Result<_, _>>()?)
                }
                None => Yaml::Text(scalar(value, number)?),
            },
        };
        map.push((scalar(key, number)?, value));
    }
    match (map.is_empty(), list.is_empty()) {
        (_, true) => Ok(Yaml::Map(map)),
        (true, false) => Ok(Yaml::List(list)),
        (false, false) => Err(rest.first().map_or(0, |(number, ..)| *number)),
    }
}

fn items(rest: &mut &[Line<'_>], indent: usize) -> Result<Vec<String>, usize> {
    let mut items = Vec::new();
    while let Some((number, here, line)) = rest.first().copied() {
        let Some(item) = line.strip_prefix("- ").filter(|_| here == indent) else { break };
        items.push(scalar(item.trim(), number)?);
        *rest = &rest[1..];
    }
    Ok(items)
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
