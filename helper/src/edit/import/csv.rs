//! Values between commas, as spreadsheets write them (RFC 4180).

use super::{Import, MARK, left_out, unless};
use crate::edit::draft::Draft;
use crate::types::{Problem, nearest, shown};

/// The columns that there are, and `vars.NAME` besides.
const COLUMNS: [&str; 9] = ["name", "mac", "address", "profiles", "overlays", "services", "kernel", "generation", "cmdline"];

/// The prefix of columns with values for templates.
const VARS: &str = "vars.";

/// What stands between the values: spreadsheets of many countries write a semicolon.
fn separator(header: &str) -> char {
    [',', ';', '\t'].into_iter().max_by_key(|sign| header.matches(*sign).count()).unwrap_or(',')
}

/// Whether a line has the names of our columns.
pub(super) fn has_header(line: &str) -> bool {
    let names: Vec<String> = fields(line, separator(line)).into_iter().map(|name| name.to_lowercase()).collect();
    names.iter().any(|name| name == "name") && names.iter().any(|name| name == "mac")
}

/// The values of a line. In quotes a separator is a part of the value, and two quotes are one.
fn fields(line: &str, separator: char) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut signs = line.chars().peekable();
    while let Some(sign) = signs.next() {
        let Some(field) = fields.last_mut() else { break };
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => field.extend(signs.next()),
            '"' => quoted = !quoted,
            sign if sign == separator && !quoted => fields.push(String::new()),
            sign => field.push(sign),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

pub(super) fn read(file: &str, text: &str) -> Result<Import, Vec<Problem>> {
    let text = text.trim_start_matches(MARK);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let Some((at, header)) = lines.next() else { return Ok(Import::default()) };
    let separator = separator(header);
    let columns: Vec<String> = fields(header, separator).into_iter().map(|name| name.to_lowercase()).collect();
    let mut problems = Vec::new();
    for column in columns.iter().filter(|column| !COLUMNS.contains(&column.as_str()) && !column.starts_with(VARS)) {
        // All others are of programs that have more to say of a machine.
        if let Some(meant) = nearest(column, COLUMNS) {
            let problem = Problem::new(file, format!("there is no column `{}`", shown(column))).line(at + 1);
            problems.push(problem.remedy(format!("did you mean `{meant}`? A value of your own is in {VARS}NAME")));
        }
    }
    for column in ["name", "mac"].into_iter().filter(|column| !columns.iter().any(|known| known == column)) {
        problems
            .push(Problem::new(file, format!("the column `{column}` is missing")).line(at + 1).remedy("name it in this line"));
    }
    let mut import = Import::default();
    for (at, line) in lines {
        let values = fields(line, separator);
        if values.len() > columns.len() {
            let what = format!("{} values, and there are {} columns", values.len(), columns.len());
            problems.push(Problem::new(file, what).line(at + 1).remedy("put a value with a comma into double quotes"));
            continue;
        }
        let pairs: Vec<(&str, &String)> = columns.iter().map(String::as_str).zip(&values).collect();
        let name = pairs.iter().find(|(column, _)| *column == "name").map(|(_, name)| (*name).clone()).unwrap_or_default();
        if name.is_empty() && problems.is_empty() {
            problems.push(Problem::new(file, "this machine has no name").line(at + 1).remedy("give it one"));
        }
        let draft = draft(&name, &pairs, &mut import.left_out);
        import.nodes.push((name, draft));
    }
    unless(problems, import)
}

fn draft(name: &str, pairs: &[(&str, &String)], told: &mut Vec<String>) -> Draft {
    let mut draft = Draft::default();
    for (column, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let words: Vec<String> = value.split([' ', ';', ',']).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect();
        match *column {
            "mac" => draft.list("mac", &words, true),
            "address" => draft.text("address", value),
            "profiles" => draft.list("profiles", &words, false),
            "overlays" => draft.list("overlays", &words, false),
            "services" => draft.list("services", &words, false),
            "kernel" => draft.text("kernel", value),
            "generation" => draft.generation(value),
            "cmdline" => draft.text("cmdline", value),
            "name" => {}
            other => match other.strip_prefix(VARS) {
                Some(name) => draft.var(name, value),
                None => told.push(left_out(&format!("node {name}: {other}"), value)),
            },
        }
    }
    draft
}
