//! Values from AWS Secrets Manager, as moto plays it; `tests/aws/run` runs these.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::lab::{Lab, PLANTED};
use crate::secrets::{apply, credential, held};

const PYTHON: &str = "ORGSMITH_TEST_MOTO";

/// Serves AWS, and has some secrets.
const SERVER: &str = r#"
import boto3, sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://%s:%s" % server.get_host_and_port()
client = boto3.client("secretsmanager", region_name="eu-central-1", endpoint_url=url,
                      aws_access_key_id="test", aws_secret_access_key="test")
client.create_secret(Name="prod/crm", SecretString='{"user": "anna", "password": "old"}')
client.put_secret_value(SecretId="prod/crm", SecretString='{"user": "anna", "password": "planted-secret-value"}')
client.create_secret(Name="prod/plain", SecretString="as it is")
client.create_secret(Name="prod/binary", SecretBinary=b"\x00")
print(url, flush=True)
sys.stdin.read()
"#;

struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    /// Starts it; where there is none, says so.
    fn start() -> Option<Self> {
        let Ok(python) = std::env::var(PYTHON) else {
            let said =
                format!("\nnot shown: {PYTHON} names no Python with moto; run tests/aws/run\n");
            // Straight to the descriptor: the harness would capture a print.
            std::io::stdout().write_all(said.as_bytes()).expect("said");
            return None;
        };
        let mut child = Command::new(python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python");
        let mut url = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        while !url.starts_with("http") {
            url.clear();
            assert!(
                said.read_line(&mut url).expect("its output") > 0,
                "moto ended"
            );
        }
        let url = url.trim().to_owned();
        Some(Self { child, url })
    }

    fn reach(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn values_come_from_aws_and_what_it_refuses_is_told() {
    let Some(moto) = Moto::start() else { return };
    let lab = Lab::new();
    credential(&lab, "CRM", ["crm/user", "crm/password"]);
    credential(&lab, "Old", ["plain", "previous"]);
    lab.configure(
        "aws: {region: eu-central-1}\nsecrets:\n  'crm/*': {aws: {id: 'prod/{object}', field: '{field}'}}\n  plain: {aws: {id: prod/plain}}\n  previous: {aws: {id: prod/crm, field: password, stage: AWSPREVIOUS}}\n  gone: {aws: {id: prod/gone}}\n  binary: {aws: {id: prod/binary}}\n  field: {aws: {id: prod/crm, field: port}}\n  text: {aws: {id: prod/plain, field: port}}\n",
    );
    let mut command = apply(&lab, &[]);
    moto.reach(&mut command);
    lab.finish(command).ends(0);
    let values = held(&lab);
    assert!(
        values.contains(&json!({"userName": "anna", "password": PLANTED})),
        "{values:?}"
    );
    assert!(
        values.contains(&json!({"userName": "as it is", "password": "old"})),
        "{values:?}"
    );

    credential(&lab, "A", ["gone", "binary"]);
    credential(&lab, "B", ["field", "text"]);
    let mut command = apply(&lab, &[]);
    moto.reach(&mut command);
    let shown = lab.finish(command).ends(5);
    for told in [
        "  gone  AWS has no secret prod/gone in eu-central-1: ",
        "  binary  prod/binary in AWS is binary",
        "  field  prod/crm in AWS: it has no field \"port\"; it has password, user",
        "  text  prod/plain in AWS is no JSON object, so it has no field \"port\"",
    ] {
        assert!(shown.stderr.contains(told), "{told:?} is not in {shown}");
    }
}

#[test]
fn without_a_region_or_a_credential_it_is_said_what_to_do() {
    let Some(moto) = Moto::start() else { return };
    let lab = Lab::new();
    credential(&lab, "CRM", ["a", "a"]);
    lab.configure("secrets:\n  a: {aws: {id: prod/plain}}\n");
    let told = |region: bool| {
        let mut command = apply(&lab, &[]);
        moto.reach(&mut command);
        command.env_remove("AWS_ACCESS_KEY_ID");
        if region {
            command.env("AWS_REGION", "eu-central-1");
        }
        lab.finish(command).ends(5).stderr
    };
    let no_region = told(false);
    assert!(no_region.contains("set AWS_REGION"), "{no_region}");
    let no_credential = told(true);
    assert!(
        no_credential.contains("aws sts get-caller-identity"),
        "{no_credential}"
    );
}
