//! A program's command line as a page: every verb with its usage, options and examples, from clap's definitions.

use std::fmt::Write;

use clap::{Arg, Command};

/// The page of a program.
pub(super) fn page(mut command: Command, about: &str) -> String {
    command.build();
    let name = command.get_name().to_owned();
    let mut text = format!("<!-- Generated from the code: see tests/src/reference.rs. -->\n\n# {name}\n\n{about}\n");
    let global: Vec<&Arg> =
        command.get_arguments().filter(|argument| argument.is_global_set() && !is_standard(argument)).collect();
    if !global.is_empty() {
        text.push_str("\nWith every command:\n\n");
        options(&mut text, &global);
    }
    if let Some(after) = command.get_after_help() {
        examples(&mut text, &after.to_string());
    }
    for verb in command.get_subcommands() {
        section(&mut text, &name, verb, 2);
    }
    text
}

fn section(text: &mut String, above: &str, command: &Command, depth: usize) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{above} {}", command.get_name());
    put(text, format_args!("\n{} {name}\n\n{}.", "#".repeat(depth), about(command)));
    if command.has_subcommands() {
        for verb in command.get_subcommands() {
            section(text, &name, verb, depth + 1);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    put(text, format_args!("\n```text\n{}\n```", usage.trim_start_matches("Usage: ").trim()));
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_global_set() && !argument.is_hide_set() && !is_standard(argument))
        .collect();
    if !own.is_empty() {
        text.push('\n');
        options(text, &own);
    }
    if let Some(after) = command.get_after_help() {
        examples(text, &after.to_string());
    }
}

fn is_standard(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

fn about(command: &Command) -> String {
    command.get_long_about().or(command.get_about()).map(|about| about.to_string().replace('\n', " ")).unwrap_or_default()
}

fn options(text: &mut String, arguments: &[&Arg]) {
    text.push_str("| | |\n|---|---|\n");
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let default = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(" ");
        // A switch's default is clap's own "false".
        let takes_value = argument.get_action().takes_values() && !default.is_empty();
        let default = if takes_value { format!(" (without it: {default})") } else { String::new() };
        put(text, format_args!("| `{}` | {}{default} |", spelled(argument), cell(&help)));
    }
}

/// `-n, --lines N`, `NAME...`.
fn spelled(argument: &Arg) -> String {
    let value = argument.get_value_names().map(|names| names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" "));
    let value = value.filter(|_| argument.get_action().takes_values()).unwrap_or_default();
    let short = argument.get_short().map(|letter| format!("-{letter}"));
    let long = argument.get_long().map(|word| format!("--{word}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let many = argument.get_num_args().is_some_and(|count| count.max_values() > 1);
    match (names.is_empty(), value.is_empty()) {
        (true, _) => {
            if many {
                format!("{value}...")
            } else {
                value
            }
        }
        (false, true) => names.join(", "),
        (false, false) => format!("{} {value}", names.join(", ")),
    }
}

fn cell(help: &str) -> String {
    help.replace('\n', " ").replace('|', "\\|").replace('<', "&lt;")
}

/// What stands below the options of `--help`: sentences stay sentences, examples become a block.
fn examples(text: &mut String, after: &str) {
    let mut is_block = false;
    text.push('\n');
    for line in after.lines() {
        let belongs = line.starts_with("  ") || (is_block && line.is_empty());
        match (is_block, belongs) {
            (false, true) => text.push_str("\n```text\n"),
            (true, false) => {
                close(text);
                text.push('\n');
            }
            _ => {}
        }
        is_block = belongs;
        put(text, format_args!("{}", line.strip_prefix("  ").unwrap_or(line)));
    }
    if is_block {
        close(text);
    }
}

fn close(text: &mut String) {
    text.truncate(text.trim_end().len());
    text.push_str("\n```\n");
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a text can't fail.
    let _: std::fmt::Result = writeln!(text, "{line}");
}
