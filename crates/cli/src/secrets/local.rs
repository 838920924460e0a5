//! Values from this machine: files and programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Found, PATIENCE};

/// Reads a file, without the end of its last line.
pub(super) fn file(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("could not read {}: {error}", path.display()))?;
    Ok(without_end(&text))
}

/// Runs a program that prints the value.
pub(super) async fn command(command: &[String]) -> Result<String, String> {
    run(command, None).await.map(|text| without_end(&text))
}

/// Asks a program for many values at once: `{"secrets": [name, …]}` on stdin, `{name: value, …}` on
/// stdout.
pub(super) async fn exchange(command: &[String], names: &[&str], found: &mut Found) {
    let question = serde_json::json!({ "secrets": names }).to_string();
    let program = command.first().map(String::as_str).unwrap_or_default();
    let answer = run(command, Some(&question)).await.and_then(|text| {
        // The parser's words may quote a value, so they are not repeated.
        serde_json::from_str::<BTreeMap<String, Option<String>>>(&text).map_err(|_| {
            format!("{program} printed no JSON object of names with texts: {{\"name\": \"value\"}}")
        })
    });
    for name in names {
        let value = match &answer {
            Ok(values) => match values.get(*name) {
                Some(Some(value)) => Ok(value.clone()),
                _ => Err(format!("{program} does not know it")),
            },
            Err(why) => Err(why.clone()),
        };
        found.take(name, value);
    }
}

async fn run(command: &[String], question: Option<&str>) -> Result<String, String> {
    let [program, arguments @ ..] = command else {
        return Err("it names no program".to_owned());
    };
    let stdin = match question {
        Some(_) => Stdio::piped(),
        None => Stdio::null(),
    };
    let work = async {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("could not run {program}: {error}"))?;
        let stdin = child.stdin.take();
        let tell = async {
            if let (Some(mut stdin), Some(question)) = (stdin, question) {
                // A program may answer without having listened to the end.
                let _ = stdin.write_all(question.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(tell, child.wait_with_output());
        let output = output.map_err(|error| format!("could not hear {program}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{program} ended with {}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no UTF-8"))
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(text) => text,
        Err(_) => Err(format!(
            "{program} did not end within {} s",
            PATIENCE.as_secs()
        )),
    }
}

fn without_end(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_program_is_told_all_names_and_answers_some() {
        let mut found = Found::default();
        let script = r#"grep -q '"secrets":\["a","b"\]' && echo '{"a": "1", "c": "3"}'"#;
        exchange(&shell(script), &["a", "b"], &mut found).await;
        let values: Vec<_> = found
            .values
            .iter()
            .map(|(n, v)| (&**n, v.expose()))
            .collect();
        assert_eq!(values, [("a", "1")]);
        assert_eq!(found.failed["b"], "sh does not know it");
    }

    #[tokio::test]
    async fn what_a_program_prints_is_not_repeated() {
        let mut found = Found::default();
        exchange(&shell("echo planted"), &["a"], &mut found).await;
        assert!(
            found.failed["a"].starts_with("sh printed no JSON"),
            "{:?}",
            found.failed
        );
        let failed = command(&shell("echo planted; exit 3"))
            .await
            .expect_err("it failed");
        assert_eq!(failed, "sh ended with exit status: 3");
        assert_eq!(command(&shell("echo value")).await.as_deref(), Ok("value"));
    }
}
