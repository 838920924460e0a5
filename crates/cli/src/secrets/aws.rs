//! Values from AWS Secrets Manager, where the program was built with the feature `aws`.

use crate::config::{AwsPlace, AwsSettings};

/// Says that this program cannot ask AWS.
#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "as the one that asks")]
pub(super) async fn look_up(
    _: &AwsSettings,
    places: &[(&str, AwsPlace)],
    found: &mut super::Found,
) {
    for (name, place) in places {
        let why = format!(
            "this orgsmith was built without AWS, so {} cannot be read; build it with `cargo install --features aws`",
            place.id
        );
        found.take(name, Err(why));
    }
}

#[cfg(feature = "aws")]
pub(super) use with_sdk::look_up;

#[cfg(feature = "aws")]
mod with_sdk {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_secretsmanager::Client;
    use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
    use serde_json::{Map, Value};

    use super::super::{Found, PATIENCE, field};
    use super::{AwsPlace, AwsSettings};

    /// Looks secrets up; those of one id are read together.
    pub(in super::super) async fn look_up(
        settings: &AwsSettings,
        places: &[(&str, AwsPlace)],
        found: &mut Found,
    ) {
        let AwsSettings { region, profile } = settings;
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        let config = loader.load().await;
        let client = Client::new(&config);
        let region = config.region().map(ToString::to_string);
        let mut read = BTreeMap::new();
        for (name, place) in places {
            let at = (place.id.as_str(), place.stage.as_deref());
            let known = match read.entry(at) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unread) => unread.insert(match &region {
                    Some(region) => get(&client, place, region).await,
                    None => Err(
                        "no AWS region: set AWS_REGION, or `aws: {region: …}` in orgsmith.yaml"
                            .to_owned(),
                    ),
                }),
            };
            let value = match known {
                Ok(text) => chosen(text, place),
                Err(why) => Err(why.clone()),
            };
            found.take(name, value);
        }
    }

    /// Returns the whole text, or the field that is asked for.
    fn chosen(text: &str, place: &AwsPlace) -> Result<String, String> {
        let Some(name) = &place.field else {
            return Ok(text.to_owned());
        };
        let id = &place.id;
        // The parser's words may quote a value, so they are not repeated.
        let fields: Map<String, Value> = serde_json::from_str(text)
            .map_err(|_| format!("{id} in AWS is no JSON object, so it has no field {name:?}"))?;
        field(&fields, name).map_err(|why| format!("{id} in AWS: {why}"))
    }

    async fn get(client: &Client, place: &AwsPlace, region: &str) -> Result<String, String> {
        let id = &place.id;
        let asked = client
            .get_secret_value()
            .secret_id(id)
            .set_version_stage(place.stage.clone())
            .send();
        let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| {
            format!(
                "AWS did not answer for {id} within {} s",
                PATIENCE.as_secs()
            )
        })?;
        match answer {
            Ok(answer) => match answer.secret_string {
                Some(text) => Ok(text),
                None => Err(format!("{id} in AWS is binary; orgsmith reads texts only")),
            },
            Err(SdkError::ServiceError(error)) => {
                let error = error.err();
                let said = error.message().unwrap_or("no reason given");
                Err(match error.code().unwrap_or("an error") {
                    "ResourceNotFoundException" => {
                        format!("AWS has no secret {id} in {region}: {said}")
                    }
                    "AccessDeniedException" => format!(
                        "AWS denies {id}: {said}; the role needs secretsmanager:GetSecretValue, and kms:Decrypt where the key is your own"
                    ),
                    code => format!("AWS refuses {id}: {code}: {said}"),
                })
            }
            Err(error) => Err(format!(
                "AWS could not be asked for {id}: {}; check region, network and credentials (`aws sts get-caller-identity`)",
                DisplayErrorContext(&error)
            )),
        }
    }
}
