//! The regions of Genesys Cloud and the hosts each of them answers on.

use std::fmt;
use std::str::FromStr;

/// Region name and the domain that all its hosts share, in the order Genesys lists them.
/// <https://developer.genesys.cloud/platform/api/>
const REGIONS: [(&str, &str); 18] = [
    ("us-east-1", "mypurecloud.com"),
    ("eu-west-1", "mypurecloud.ie"),
    ("ap-southeast-2", "mypurecloud.com.au"),
    ("ap-northeast-1", "mypurecloud.jp"),
    ("eu-central-1", "mypurecloud.de"),
    ("us-west-2", "usw2.pure.cloud"),
    ("ca-central-1", "cac1.pure.cloud"),
    ("ap-northeast-2", "apne2.pure.cloud"),
    ("eu-west-2", "euw2.pure.cloud"),
    ("ap-south-1", "aps1.pure.cloud"),
    ("us-east-2", "use2.us-gov-pure.cloud"),
    ("sa-east-1", "sae1.pure.cloud"),
    ("me-central-1", "mec1.pure.cloud"),
    ("ap-northeast-3", "apne3.pure.cloud"),
    ("eu-central-2", "euc2.pure.cloud"),
    ("mx-central-1", "mxc1.pure.cloud"),
    ("ap-southeast-1", "apse1.pure.cloud"),
    ("eusc-de-east-1", "edee1.eusc-pure.cloud"),
];

/// Names one Genesys Cloud region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    name: &'static str,
    domain: &'static str,
}

impl Region {
    /// Lists every known region.
    pub fn all() -> impl Iterator<Item = Self> {
        REGIONS.iter().map(|&(name, domain)| Self { name, domain })
    }

    /// Returns the region's name, such as `eu-west-1`.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the domain all hosts of the region share, such as `mypurecloud.ie`.
    pub fn domain(self) -> &'static str {
        self.domain
    }

    /// Returns the host of the Platform API.
    pub fn api_host(self) -> String {
        format!("api.{}", self.domain)
    }

    /// Returns the host that mints tokens.
    pub fn login_host(self) -> String {
        format!("login.{}", self.domain)
    }

    /// Returns the host that takes script and legacy prompt uploads.
    pub fn apps_host(self) -> String {
        format!("apps.{}", self.domain)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Says that a text names no region, and which one was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown region `{given}`{}", hint(.suggestion))]
pub struct UnknownRegion {
    /// The text as given.
    pub given: String,
    /// The closest region name or domain, when one is close.
    pub suggestion: Option<&'static str>,
}

fn hint(suggestion: &Option<&'static str>) -> String {
    suggestion
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

impl FromStr for Region {
    type Err = UnknownRegion;

    /// Reads a region name, its domain, or any host or URL on that domain.
    fn from_str(given: &str) -> Result<Self, UnknownRegion> {
        let text = given.trim().to_ascii_lowercase();
        let host = text.strip_prefix("https://").unwrap_or(&text);
        let host = host.split('/').next().unwrap_or(host);
        let domain = ["api.", "login.", "apps."]
            .iter()
            .find_map(|prefix| host.strip_prefix(prefix))
            .unwrap_or(host);
        Self::all()
            .find(|region| region.name == domain || region.domain == domain)
            .ok_or_else(|| UnknownRegion {
                given: given.to_owned(),
                suggestion: closest(domain),
            })
    }
}

fn closest(text: &str) -> Option<&'static str> {
    REGIONS
        .iter()
        .flat_map(|&(name, domain)| [name, domain])
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.len() / 6)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes; region names are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_is_found_by_name_domain_and_host() {
        for region in Region::all() {
            assert_eq!(region.name().parse(), Ok(region));
            assert_eq!(region.domain().parse(), Ok(region));
            assert_eq!(
                format!("https://{}/api/v2", region.api_host()).parse(),
                Ok(region)
            );
            assert_eq!(region.login_host().parse(), Ok(region));
            assert_eq!(region.apps_host().parse(), Ok(region));
        }
    }

    #[test]
    fn hosts_share_the_regions_domain() {
        let ireland: Region = "eu-west-1".parse().unwrap();
        assert_eq!(ireland.api_host(), "api.mypurecloud.ie");
        assert_eq!(ireland.login_host(), "login.mypurecloud.ie");
        assert_eq!(ireland.apps_host(), "apps.mypurecloud.ie");
    }

    #[test]
    fn a_near_miss_is_answered_with_the_region_meant() {
        let message = |text: &str| text.parse::<Region>().unwrap_err().to_string();
        assert_eq!(
            message("eu-west-11"),
            "unknown region `eu-west-11`; did you mean `eu-west-1`?"
        );
        assert_eq!(
            message("mypurecloud.ei"),
            "unknown region `mypurecloud.ei`; did you mean `mypurecloud.ie`?"
        );
        assert_eq!(message("moon"), "unknown region `moon`");
        assert_eq!(message(""), "unknown region ``");
    }
}
