//! minijinja as all our templates use it: strict, without escaping, with Jinja's methods of strings, and with an end.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, StringInput, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter, filters};
use minijinja_contrib::pycompat;

/// Steps a template may take: enough for a line for each of 100,000 nodes, and an end for one that loops. minijinja counts
/// [`STEP`] bytes of what a template makes as a step, so this bounds memory as well: 256 MB.
const FUEL: u64 = 4_000_000;

/// How many bytes minijinja counts as a step.
const STEP: usize = 64;

/// An environment without templates: undefined variables are errors, a block on a line of its own leaves no line.
///
/// # Errors
/// Never in practice: the delimiters are the usual ones.
pub fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // So an error tells which variable it is about.
    environment.set_debug(true);
    environment.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    // Configuration files know no escaping, and every value is of a type that cannot break out of its place.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(method);
    environment.add_filter("join", join);
    environment.set_formatter(print);
    Ok(environment)
}

// What follows pays for text before it is made, where minijinja does so only afterwards.

/// A method that Python's strings, lists and mappings have.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (name, arguments) {
        ("join", [items, ..]) => pay(state, items, DEEP)?,
        ("format", _) => {
            // A width is a number in the text itself.
            let numbers = value.as_str().unwrap_or_default().split(|c: char| !c.is_ascii_digit());
            for number in numbers.filter(|number| !number.is_empty()) {
                pay_for(state, number.parse().unwrap_or(usize::MAX))?;
            }
        }
        _ => {}
    }
    pycompat::unknown_method_callback(state, value, name, arguments)
}

/// The filter of this name.
fn join(
    state: &mut State<'_, '_>,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    named: Kwargs,
) -> Result<Value, Error> {
    pay(state, value, DEEP)?;
    filters::join(state, value, joiner, attribute, named)
}

/// Puts a value into the text.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.as_str().is_none() {
        pay(state, value, DEEP)?;
    }
    escape_formatter(out, state, value)
}

/// How many lists in lists are looked into.
const DEEP: usize = 32;

/// Takes the steps that the text of a value costs: a list may hold one and the same text a million times.
fn pay(state: &State<'_, '_>, value: &Value, deep: usize) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return pay_for(state, text.len());
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        return Ok(());
    }
    let deeper = deep.checked_sub(1).ok_or_else(|| Error::from(ErrorKind::OutOfFuel))?;
    for item in value.try_iter()? {
        pay_for(state, STEP)?;
        pay(state, &item, deeper)?;
    }
    Ok(())
}

fn pay_for(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel((bytes / STEP) as u64)
}
