//! `orgsmith init`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::new::create;
use super::schema::{self, OVERLAY, PROJECT};
use crate::config::FILE;
use crate::error::Exit;
use crate::output::{DIM, GREEN, Out, styled};

/// The folder of the bundle of a new project.
pub(crate) const BUNDLE: &str = "bundle";
/// Where the schemas of a project are; not kept in git, as they come with the program.
const SCHEMAS: &str = ".orgsmith/schema";

/// Starts a project: two orgs, dev and prod, a bundle with a few objects, and settings for editors.
///
/// Files that are there stay as they are. Run it again after an upgrade to renew the schemas.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder of the project.
    #[arg(default_value = ".", hide_default_value = true)]
    folder: PathBuf,
    /// The region of both orgs.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: orgsmith_client::Region,
    /// Instead of a region the URL of both, such as that of `orgsmith sim --orgs dev,prod`.
    #[arg(long, value_name = "URL", conflicts_with = "region")]
    base_url: Option<String>,
}

impl Init {
    pub(crate) fn run(&self, out: &Out) -> anyhow::Result<Exit> {
        let schemas = schema::all();
        let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
        let mut told = String::new();
        for (file, text) in self.files(&names)? {
            let path = self.place(&file);
            // Looked at first: what is there may be a link, a folder, or somebody's work.
            let word = match std::fs::symlink_metadata(&path) {
                Ok(_) => styled(DIM, "kept   "),
                Err(_) => {
                    create(&path, &text)?;
                    styled(GREEN, "written")
                }
            };
            told.push_str(&format!("{word}  {}\n", path.display()));
        }
        let folder = self.place(SCHEMAS);
        schema::write(&schemas, &folder)?;
        told.push_str(&format!(
            "{}  {}\n",
            styled(GREEN, "written"),
            folder.display()
        ));
        out.data(told)?;
        out.say(
            "Next: set DEV_ID and DEV_SECRET, then `orgsmith validate bundle` and \
             `orgsmith plan bundle --to dev`.",
        );
        Ok(Exit::Ok)
    }

    fn place(&self, file: &str) -> PathBuf {
        match self.folder.as_os_str() == "." {
            true => PathBuf::from(file),
            false => self.folder.join(file),
        }
    }

    fn files(&self, schemas: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
        let settings = settings(schemas);
        let mut files = vec![
            (FILE.to_owned(), self.project()),
            (".gitignore".to_owned(), IGNORED.to_owned()),
            (".vscode/settings.json".to_owned(), pretty(&settings)?),
            (
                ".vscode/extensions.json".to_owned(),
                pretty(&json!({"recommendations": ["redhat.vscode-yaml"]}))?,
            ),
        ];
        let example =
            |(path, text): &(&str, &str)| (format!("{BUNDLE}/{path}"), (*text).to_owned());
        files.extend(EXAMPLE.iter().map(example));
        Ok(files)
    }

    fn project(&self) -> String {
        let place = match &self.base_url {
            Some(url) => format!("base_url: {}", Value::from(url.as_str())),
            None => format!("region: {}", self.region.name()),
        };
        PROJECT_FILE.replace("<place>", &place)
    }
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Returns settings of Visual Studio Code that say which file has which schema.
fn settings(schemas: &[&str]) -> Value {
    let mut files = Map::new();
    for name in schemas {
        let schema = format!("./{SCHEMAS}/{}", schema::file(name));
        let pattern = match *name {
            PROJECT => json!(FILE),
            OVERLAY => json!("overlays/*.yaml"),
            // The source of a flow is Architect's, and has no schema of ours.
            "flow" => json!(["**/flow/**/*.yaml", "!**/*.flow.yaml"]),
            kind => json!(format!("**/{kind}/**/*.yaml")),
        };
        files.insert(schema, pattern);
    }
    json!({"yaml.schemas": files})
}

const PROJECT_FILE: &str = "\
# yaml-language-server: $schema=.orgsmith/schema/project.schema.json

# The orgs, and where the credentials of their OAuth clients come from: here two variables each.
# `orgsmith org check dev` tries one.
orgs:
  dev:
    <place>
    credential:
      env: {id: DEV_ID, secret: DEV_SECRET}
    labels: {stage: dev}
  prod:
    <place>
    credential:
      env: {id: PROD_ID, secret: PROD_SECRET}
    labels: {stage: prod}
    # Whoever writes there is asked for the name of the org.
    protected: true
";

const IGNORED: &str = "\
# Runs, schemas and other things of this machine.
.orgsmith/
# Values of secrets.
secrets.yaml
# What an export that was cut off goes on with.
*.checkpoint
";

/// The objects of a new bundle.
const EXAMPLE: [(&str, &str); 4] = [
    (
        "auth_division/Support.yaml",
        "name: Support\ndescription: Everything of the support team\n",
    ),
    (
        "routing_skill/Billing.yaml",
        "name: Billing\ndivision: {$ref: \"auth_division/Support\"}\n",
    ),
    (
        "routing_wrapupcode/Resolved.yaml",
        "name: Resolved\ndivision: {$ref: \"auth_division/Support\"}\n",
    ),
    (
        "routing_queue/Billing.yaml",
        "\
# A field that is left out is not managed: orgsmith neither compares nor changes it.
# `orgsmith new routing_queue NAME` writes a file that says every field there is.
name: Billing
description: Questions about invoices
division: {$ref: \"auth_division/Support\"}
skillEvaluationMethod: BEST
wrapUpCodes:
  - {$ref: \"routing_wrapupcode/Resolved\"}
",
    ),
];
