//! Orgs of any size from a seed: believable names, and references among all kinds.
//!
//! Plain objects that come in thousands are put straight into the org; what has behaviour goes
//! the way of a request, so that nothing stands there that could not have been made.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cx::Cx;
use crate::error::Refusal;

mod flows;
mod odd;
mod people;
mod random;
mod services;

pub use odd::Oddity;
pub(crate) use random::Random;

/// Says how many objects of each kind an org is given; what is not said is a small org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Generate {
    /// Seeds every choice: the same seed gives the same org.
    pub seed: u64,
    /// Divisions besides the home division.
    pub divisions: usize,
    /// Locations.
    pub locations: usize,
    /// Routing skills.
    pub skills: usize,
    /// Routing languages.
    pub languages: usize,
    /// Wrap-up codes.
    pub wrapups: usize,
    /// Users, with skills, languages and managers.
    pub users: usize,
    /// Groups with owners and members.
    pub groups: usize,
    /// Skill groups.
    pub skill_groups: usize,
    /// Queues with members, wrap-up codes, flows and another queue for overflow.
    pub queues: usize,
    /// Users of its own that every queue has as members.
    pub members: usize,
    /// Schedules.
    pub schedules: usize,
    /// Schedule groups.
    pub schedule_groups: usize,
    /// User prompts, every second one with sound.
    pub prompts: usize,
    /// Data tables.
    pub tables: usize,
    /// Rows of every data table.
    pub rows: usize,
    /// Integrations, each with a credential.
    pub integrations: usize,
    /// Data actions.
    pub actions: usize,
    /// Flows.
    pub flows: usize,
    /// Call routes with numbers out of a pool.
    pub ivrs: usize,
    /// Contact lists.
    pub contact_lists: usize,
    /// Campaigns.
    pub campaigns: usize,
    /// How many in a hundred of all objects of the org are bent afterwards, as no client could
    /// write them.
    pub odd: usize,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            seed: 0,
            divisions: 3,
            locations: 3,
            skills: 12,
            languages: 4,
            wrapups: 12,
            users: 50,
            groups: 5,
            skill_groups: 2,
            queues: 10,
            members: 8,
            schedules: 4,
            schedule_groups: 2,
            prompts: 6,
            tables: 3,
            rows: 20,
            integrations: 2,
            actions: 6,
            flows: 18,
            ivrs: 4,
            contact_lists: 2,
            campaigns: 2,
            odd: 0,
        }
    }
}

/// Says what is wrong with a text such as `seed=7,users=100`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A part has no `=`.
    #[error("{0:?} is not a key and a number, such as users=100")]
    Part(String),
    /// A key is not known.
    #[error("there is no {key:?} to generate; known are {known}")]
    Key {
        /// The key.
        key: String,
        /// The keys that are known.
        known: String,
    },
    /// A value is not a number.
    #[error("{key}: {value:?} is not a number")]
    Number {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

impl FromStr for Generate {
    type Err = GenerateError;

    /// Reads `key=number` pairs with commas between them.
    fn from_str(text: &str) -> Result<Self, GenerateError> {
        let mut wanted = Self::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| GenerateError::Part(part.to_owned()))?;
            let (key, value) = (key.trim(), value.trim());
            let number: u64 = value.parse().map_err(|_| GenerateError::Number {
                key: key.to_owned(),
                value: value.to_owned(),
            })?;
            wanted.set(key, number)?;
        }
        Ok(wanted)
    }
}

impl Generate {
    fn set(&mut self, key: &str, number: u64) -> Result<(), GenerateError> {
        if key == "seed" {
            self.seed = number;
            return Ok(());
        }
        let mut counts = self.counts();
        let known = counts.iter().map(|(name, _)| *name);
        let known: Vec<&str> = ["seed"].into_iter().chain(known).collect();
        match counts.iter_mut().find(|(name, _)| *name == key) {
            Some((_, count)) => {
                **count = usize::try_from(number).unwrap_or(usize::MAX);
                Ok(())
            }
            None => Err(GenerateError::Key {
                key: key.to_owned(),
                known: known.join(", "),
            }),
        }
    }

    fn counts(&mut self) -> [(&'static str, &mut usize); 22] {
        [
            ("divisions", &mut self.divisions),
            ("locations", &mut self.locations),
            ("skills", &mut self.skills),
            ("languages", &mut self.languages),
            ("wrapups", &mut self.wrapups),
            ("users", &mut self.users),
            ("groups", &mut self.groups),
            ("skill_groups", &mut self.skill_groups),
            ("queues", &mut self.queues),
            ("members", &mut self.members),
            ("schedules", &mut self.schedules),
            ("schedule_groups", &mut self.schedule_groups),
            ("prompts", &mut self.prompts),
            ("tables", &mut self.tables),
            ("rows", &mut self.rows),
            ("integrations", &mut self.integrations),
            ("actions", &mut self.actions),
            ("flows", &mut self.flows),
            ("ivrs", &mut self.ivrs),
            ("contact_lists", &mut self.contact_lists),
            ("campaigns", &mut self.campaigns),
            ("odd", &mut self.odd),
        ]
    }
}

/// Fills an org.
pub(crate) fn generate(cx: &mut Cx<'_>, wanted: &Generate) -> Result<(), Refusal> {
    let mut builder = people::Builder::new(cx, wanted);
    builder.people()?;
    builder.services()?;
    builder.flows()?;
    builder.routes()?;
    odd::bend(cx, wanted.seed, wanted.odd);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_what_differs_from_a_small_org() {
        let wanted: Generate = "seed=7, users=100,queues=0".parse().unwrap();
        let expected = Generate {
            seed: 7,
            users: 100,
            queues: 0,
            ..Generate::default()
        };
        assert_eq!(wanted, expected);
        assert_eq!("".parse(), Ok(Generate::default()));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let said = |text: &str| text.parse::<Generate>().unwrap_err().to_string();
        assert!(
            said("user=1").starts_with("there is no \"user\" to generate; known are seed, div")
        );
        assert_eq!(said("users=many"), "users: \"many\" is not a number");
        assert!(said("users").contains("\"users\" is not a key and a number"));
    }
}
